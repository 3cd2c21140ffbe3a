//! Names in PHP, and the words that it reserves.

use super::{Case, Naming};

pub(super) const NAMING: Naming = Naming {
    types: Case::Pascal,
    fields: Case::Camel,
    values: Case::Pascal,
    variants: Case::Camel,
    begins_with_letter: false,
    ignores_case: true,
    longest: 255,
    reserved: &PHP,
    reserved_types: CLASSES,
    reserved_members: &[],
    reserved_if_packed: &[],
};

/// Keywords and type names, which cannot name classes, and `this`, which cannot name a property.
const PHP: [&str; 80] = [
    "abstract",
    "and",
    "array",
    "as",
    "bool",
    "break",
    "callable",
    "case",
    "catch",
    "class",
    "clone",
    "const",
    "continue",
    "declare",
    "default",
    "do",
    "echo",
    "else",
    "elseif",
    "empty",
    "enum",
    "eval",
    "exit",
    "extends",
    "false",
    "final",
    "finally",
    "float",
    "fn",
    "for",
    "foreach",
    "function",
    "global",
    "goto",
    "if",
    "implements",
    "include",
    "instanceof",
    "insteadof",
    "int",
    "interface",
    "isset",
    "iterable",
    "list",
    "match",
    "mixed",
    "namespace",
    "never",
    "new",
    "null",
    "object",
    "or",
    "parent",
    "print",
    "private",
    "protected",
    "public",
    "readonly",
    "require",
    "return",
    "self",
    "static",
    "string",
    "switch",
    "this",
    "throw",
    "trait",
    "true",
    "try",
    "unset",
    "use",
    "var",
    "void",
    "while",
    "xor",
    "yield",
    "closure",
    "stdclass",
    "backedenum",
    "die",
];

/// Classes and interfaces of PHP and its built-in extensions.
const CLASSES: &str = "allowdynamicproperties appenditerator argumentcounterror arithmeticerror arrayaccess arrayiterator \
    arrayobject assertionerror attribute backedenum badfunctioncallexception badmethodcallexception \
    cachingiterator callbackfilteriterator closedgeneratorexception closure compileerror countable \
    dateinterval dateperiod datetime datetimeimmutable datetimeinterface datetimezone deflatecontext \
    directory directoryiterator divisionbyzeroerror domainexception emptyiterator error errorexception \
    exception fiber fibererror filesystemiterator filteriterator generator globiterator hashcontext \
    infiniteiterator inflatecontext internaliterator invalidargumentexception iterator iteratoraggregate \
    iteratoriterator jsonexception jsonserializable lengthexception libxmlerror limititerator \
    logicexception multipleiterator norewinditerator opensslasymmetrickey opensslcertificate \
    opensslcertificatesigningrequest outeriterator outofboundsexception outofrangeexception \
    overflowexception parentiterator parseerror rangeexception recursivearrayiterator \
    recursivecachingiterator recursivecallbackfilteriterator recursivedirectoryiterator \
    recursivefilteriterator recursiveiterator recursiveiteratoriterator recursiveregexiterator \
    recursivetreeiterator reflection reflectionattribute reflectionclass reflectionclassconstant \
    reflectionenum reflectionenumbackedcase reflectionenumunitcase reflectionexception \
    reflectionextension reflectionfiber reflectionfunction reflectionfunctionabstract \
    reflectiongenerator reflectionintersectiontype reflectionmethod reflectionnamedtype reflectionobject \
    reflectionparameter reflectionproperty reflectionreference reflectiontype reflectionuniontype \
    reflectionzendextension reflector regexiterator returntypewillchange runtimeexception \
    seekableiterator sensitiveparameter sensitiveparametervalue serializable sessionhandler \
    sessionhandlerinterface sessionidinterface sessionupdatetimestamphandlerinterface sodiumexception \
    spldoublylinkedlist splfileinfo splfileobject splfixedarray splheap splmaxheap splminheap \
    splobjectstorage splobserver splpriorityqueue splqueue splstack splsubject spltempfileobject \
    stdclass stringable throwable traversable typeerror underflowexception unexpectedvalueexception \
    unhandledmatcherror unitenum valueerror weakmap weakreference";
