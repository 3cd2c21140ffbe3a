//! `Linkspan\Region`: shared memory of another program, read-only.

use std::cell::RefCell;
use std::rc::Rc;

use ext_php_rs::boxed::ZBox;
use ext_php_rs::prelude::*;
use ext_php_rs::types::ZendHashTable;
use ext_php_rs::zend::{BailoutGuard, ce};
use linkspan::{Error, ErrorKind, Layout, Result};

use crate::edge::{PhpResult, edge};
use crate::from_wire::table;
use crate::scalars::Text;
use crate::zend;

#[php_class]
#[php(name = "Linkspan\\Region", flags = zend::FINAL)]
#[php(implements(ce = ce::countable, stub = "\\Countable"))]
pub struct Region {
    source: String,
    memory: RefCell<Option<Rc<linkspan::Region>>>,
}

impl Region {
    fn memory(&self) -> Result<Rc<linkspan::Region>> {
        let closed = || Error::new(ErrorKind::InvalidState, "the region is closed").on(&self.source);
        self.memory.borrow().clone().ok_or_else(closed)
    }
}

fn unsigned(number: i64, what: &str) -> Result<u64> {
    let text = || format!("{what} is {number}, and nothing lies before the beginning");
    u64::try_from(number).map_err(|_| Error::new(ErrorKind::OutOfRange, text()))
}

#[php_impl]
impl Region {
    pub fn __construct(source: &str) -> PhpResult<Self> {
        edge(|| {
            let memory = RefCell::new(Some(Rc::new(linkspan::Region::open(source)?)));
            Ok(Region { source: source.to_owned(), memory })
        })
    }

    pub fn sizeof(layout: &str) -> PhpResult<i64> {
        edge(|| Ok(layout.parse::<Layout>()?.size() as i64))
    }

    pub fn source(&self) -> Text {
        Text::of(&self.source)
    }

    pub fn count(&self) -> PhpResult<i64> {
        edge(|| Ok(self.memory()?.len()? as i64))
    }

    pub fn bytes(&self, offset: i64, length: i64) -> PhpResult<Text> {
        edge(|| {
            let (offset, length) = (unsigned(offset, "the offset")?, unsigned(length, "the length")?);
            let bytes = BailoutGuard::new(self.memory()?.bytes(offset, length as usize)?);
            Text::within_limit(bytes.as_slice())
        })
    }

    #[php(defaults(offset = 0))]
    pub fn text(&self, offset: i64) -> PhpResult<Text> {
        edge(|| {
            let text = BailoutGuard::new(self.memory()?.text(unsigned(offset, "the offset")?)?);
            Text::within_limit(text.as_bytes())
        })
    }

    #[php(defaults(offset = 0), optional = offset)]
    pub fn read(&self, layout: &str, offset: i64, counter: Option<&str>) -> PhpResult<ZBox<ZendHashTable>> {
        edge(|| {
            let offset = unsigned(offset, "the offset")?;
            let fields = {
                let (layout, memory) = (layout.parse::<Layout>()?, self.memory()?);
                match counter {
                    Some(counter) => memory.read_stable(offset, &layout, counter)?,
                    None => memory.read_at(offset, &layout)?,
                }
            };
            table(&BailoutGuard::new(fields))
        })
    }

    pub fn close(&self) {
        self.memory.take();
    }
}
