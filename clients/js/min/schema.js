// Made of ../schema.js by tests/support/npm.py: read that one.
import{Decimal as $,LinkspanError as y,Message as b,NdArray as p,Timestamp as u,Uuid as O}from"./client.js";import{parse as g}from"./json.js";const A=[[Uint16Array,
"u16"],[Uint32Array,"u32"],[BigUint64Array,"u64"],[Int8Array,"i8"],[Int16Array,"i16"],[Int32Array,"i32"],[BigInt64Array,"i64"],[Float32Array,"f32"],[Float64Array,
"f64"]],j={timestamp:u,uuid:O,decimal:$,bytes:Uint8Array};function I(t,e,c){return i=>{if(i instanceof b){if(i.schema&&!t.startsWith(i.schema))throw new y("Sche\
maMismatch",`${i.name} was sent with the schema ${i.schema}\u2026, and this code was generated from ${t.slice(0,16)}\u2026: generate it again from the schema of the \
sender`);i=i.value}return w(i,c,e,[])}}function k(t){return t===null?"null":typeof t=="object"?Object.getPrototypeOf(t)?.constructor?.name??"a map":typeof t}function w(t,e,c,i){
const f=(r,n)=>{const o=i.join("/");return new y(r,o?`at ${o}: ${n}`:n,{path:o})},s=r=>f("WrongType",`${r} is expected, and not ${k(t)}`),a=(r,n,o)=>{i.push(r);
const d=w(n,o,c,i);return i.pop(),d},h=()=>typeof t=="object"&&t!==null&&[Object.prototype,null].includes(Object.getPrototypeOf(t));switch(e.is){case"type":return w(
t,c[e.at],c,i);case"any":return t;case"bool":if(typeof t!="boolean")throw s("true or false");return t;case"text":if(typeof t!="string")throw s("a text");return t;case"\
enum":if(!e.values.includes(t))throw f("WrongType",`one of ${e.values.join(", ")} is expected, and not ${JSON.stringify(t)?.slice(0,80)}`);return t;case"f32":case"\
f64":if(typeof t=="bigint")throw f("OutOfRange",`a float does not hold ${t}`);if(typeof t!="number")throw s("a number");if(e.is==="f32"&&Number.isFinite(t)&&Math.
fround(t)!==t&&!Number.isFinite(Math.fround(t)))throw f("OutOfRange",`a float of 32 bits does not hold ${t}`);return t;case"bytes":case"timestamp":case"uuid":case"\
decimal":if(!(t instanceof j[e.is]))throw s(`a value ${e.is}`);return t;case"list":if(!Array.isArray(t))throw s("a list");return t.map((r,n)=>a(n,r,e.of));case"\
map":{if(!h())throw s("a map");const r=Object.entries(t).map(([n,o])=>[n,a(n,o,e.of)]);return Object.fromEntries(r)}case"ndarray":return l(t,e,s);case"record":case"\
table":if(!h())throw s("a map");return S(t,e,a,f);case"union":{const r=h()?Object.keys(t):[],n=r.length===1&&e.fields.find(({key:o})=>o===r[0]);if(!n)throw s(`a\
 map with exactly one of ${e.fields.map(({key:o})=>o).join(", ")}`);return{[n.key]:a(n.key,t[n.key],n.of)}}default:{if(typeof t!="bigint"&&!Number.isSafeInteger(
t))throw s(`an integer ${e.is}`);const[r,n]=e.range;if(t<r||t>n)throw f("OutOfRange",`${t} is not in the range of ${e.is}, ${r} to ${n}`);return t}}}function S(t,e,c,i){
const f={};for(const{key:s,of:a,aliases:h=[],optional:r,default:n}of e.fields){const o=[s,...h].find(m=>Object.hasOwn(t,m)),d=o===void 0?void 0:t[o];if(d===void 0||
d===null&&(r||n!==void 0)&&a.is!=="any"){if(n!==void 0)f[s]=g(n);else if(!r)throw i("Missing",`the field ${s} is missing`);continue}try{f[s]=c(s,d,a)}catch(m){if(n===
void 0||typeof d!="string"||m.kind!=="WrongType"||typeof g(n)!="string")throw m;f[s]=g(n)}}return f}function l(t,{dtype:e,shape:c,order:i},f){const a=`an array \
of ${e}${c?` with the shape ${(o=>`[${o.map(d=>d??"any").join(", ")}]`)(c)}`:""}${i?`, in ${i} order`:""}`,h=A.find(([o])=>t instanceof o),r=h?{dtype:h[1],shape:[
t.length],order:"row"}:t instanceof p?t:null;if(!r||r.dtype!==e||!(!c||c.length===r.shape.length&&c.every((o,d)=>o===null||o===r.shape[d]))||i&&r.order!==i&&r.shape.
length>1)throw f(a);return t}export{I as reader};
