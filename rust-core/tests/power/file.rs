//! Checks a durable `file:` after a power cut: the newest acknowledged value, or the value that was being
//! written.

use std::path::Path;
use std::time::Duration;

use linkspan::{ErrorKind, Message, Publisher, Value, latest};

use super::facts::Facts;
use super::text::{self, Form};

pub fn judge(root: &Path, form: u64, facts: &Facts) -> Result<(), String> {
    let form = Form::of(form);
    let Form { framing, locked } = form;
    let endpoint = format!("file:{}", root.join("lab.file").display());
    let options = form.options().unwrap();
    let newest = facts.kept.keys().last().copied();
    let newer = facts.tried.keys().filter(|id| newest.is_none_or(|newest| **id > newest));
    let newer: Vec<u64> = newer.copied().collect();
    // A write in place removes the old value first.
    let is_torn = locked && !newer.is_empty();
    let found = latest(&endpoint, &options, Duration::ZERO);
    let text = found.as_ref().map_err(Clone::clone).and_then(text_of);
    match text.as_deref().map(text::id) {
        Ok(id @ Some(_)) if id == newest || id.is_some_and(|id| newer.contains(&id)) => {}
        Ok(_) if is_torn && framing != "linkspan" => {}
        Err(e) if newest.is_none() && matches!(e.kind(), ErrorKind::NotFound | ErrorKind::Empty) => {}
        Err(e)
            if is_torn
                && matches!(e.kind(), ErrorKind::Corrupt | ErrorKind::Empty | ErrorKind::Malformed) => {}
        other => {
            return Err(format!("{other:?} is there; {newest:?} was acknowledged, {newer:?} was under way"));
        }
    }
    let publisher = Publisher::new(&endpoint, &options).map_err(|e| format!("the next writer: {e}"))?;
    let number = publisher.send(&form.value("next")).map_err(|e| format!("the next value: {e}"))?;
    let message =
        latest(&endpoint, &options, Duration::ZERO).map_err(|e| format!("after the next value: {e}"))?;
    if text_of(&message).map_err(|e| e.to_string())? != "next" {
        return Err("the next value is not the newest".to_owned());
    }
    let counted = facts.kept.values().flatten().max().copied().unwrap_or(0);
    if framing == "linkspan" && !is_torn && number <= counted {
        return Err(format!("the next value got number {number}, and {counted} was given before"));
    }
    Ok(())
}

fn text_of(message: &Message) -> linkspan::Result<String> {
    match message.value()? {
        Value::Bytes(bytes) => Ok(String::from_utf8_lossy(bytes).into_owned()),
        value => value.as_text().map(str::to_owned),
    }
}
