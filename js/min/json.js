// Made of ../json.js by tests/support/npm.py: read that one.
import{Decimal as A,Float as y,LinkspanError as w,NdArray as p,Timestamp as g,Uuid as N}from"./client.js";const d=64,h=e=>new w("Malformed",e),I=new TextDecoder(
"utf-8",{fatal:!0,ignoreBOM:!0}),x=e=>e>=Number.MIN_SAFE_INTEGER&&e<=Number.MAX_SAFE_INTEGER?Number(e):e,$=e=>{let t="";for(let r=0;r<e.length;r+=8192)t+=String.
fromCharCode(...e.subarray(r,r+8192));return btoa(t)};function k(e){if(typeof e!="string"||e.length%4||!/^[A-Za-z0-9+/]*={0,2}$/.test(e))throw h("bytes are a te\
xt in base64");const t=Uint8Array.from(atob(e),r=>r.charCodeAt(0));if($(t)!==e)throw h("bytes are a text in base64");return t}const O={bool:Uint8Array,u8:Uint8Array,
u16:Uint16Array,u32:Uint32Array,u64:BigUint64Array,i8:Int8Array,i16:Int16Array,i32:Int32Array,i64:BigInt64Array,f32:Float32Array,f64:Float64Array,c64:Float32Array,
c128:Float64Array};function M(e){return b(e,[])}function U(e){const t=[...e.keys()];return t.length===1&&t[0].startsWith("$")}function E(e,t){if(Number.isNaN(e))
return t===void 0||t===0x7ff8n<<48n?'{"$float":"nan"}':`{"$float":"0x${t.toString(16).padStart(16,"0")}"}`;if(!Number.isFinite(e))return`{"$float":"${e<0?"-inf":
"inf"}"}`;if(Object.is(e,-0))return"-0.0";const r=Math.abs(e);if(r!==0&&(r<1e-5||r>=1e16))return e.toExponential().replace(/\.0+e/,"e");const n=String(e);return/[.e]/.
test(n)?n:`${n}.0`}function b(e,t){const r=(i,f)=>new w(i,t.length?`at ${t.join("/")}: ${f}`:f,{path:t.join("/")}),n=(i,f)=>{t.push(i);const m=b(f,t);return t.pop(),
m},s=()=>{if(t.length>=d)throw r("TooLarge",`a value has at most ${d} levels`)};switch(typeof e){case"string":if(/\p{Surrogate}/u.test(e))throw r("Malformed","a\
 text has half of a pair of UTF-16");return JSON.stringify(e);case"number":return Number.isSafeInteger(e)&&!Object.is(e,-0)?String(e):E(e);case"boolean":return String(
e);case"bigint":return e>=-(1n<<63n)&&e<1n<<64n?String(e):`{"$int":"${e}"}`;case"object":break;default:throw r("Unsupported",`${typeof e} has no form as a value`)}
if(e===null)return"null";if(Array.isArray(e))return s(),`[${e.map((i,f)=>n(f,i)).join(",")}]`;if(e instanceof Uint8Array)return`{"$bytes":"${$(e)}"}`;if(e instanceof
p||ArrayBuffer.isView(e)&&!(e instanceof DataView)){const{dtype:i,shape:f,order:m,data:l}=e instanceof p?e:new p(e),S=new Uint8Array(l.buffer,l.byteOffset,l.byteLength);
return`{"$ndarray":{"dtype":"${i}","shape":[${f}],"order":"${m}","data":"${$(S)}"}}`}if(e instanceof g||e instanceof Date)return`{"$time":"${g.from(e)}"}`;if(e instanceof
y)return E(e.value,e.bits);if(e instanceof N)return`{"$uuid":"${e}"}`;if(e instanceof A)return`{"$decimal":"${e}"}`;const a=Object.getPrototypeOf(e);if(!(e instanceof
Map)&&a!==null&&Object.getPrototypeOf(a)!==null)throw r("Unsupported",`an object of the class ${e.constructor?.name} has no form as a value: give a plain object\
 of its fields`);s();const o=e instanceof Map?e:new Map(Object.entries(e).filter(([,i])=>i!==void 0)),c=[];for(const[i,f]of o){if(typeof i!="string")throw r("Un\
supported",`a key of a map is text, and not ${typeof i}`);c.push(`${b(i,t)}:${n(i,f)}`)}const u=`{${c.join(",")}}`;return U(o)?`{"$map":${u}}`:u}function T(e,{exact:t=!1}={}){
if(typeof e!="string")try{e=I.decode(e)}catch{throw h("the text is not UTF-8")}const r=new j(e,t),n=r.value(0);if(r.space(),r.at<e.length)throw r.wrong();return n}
class j{constructor(t,r){this.source=t,this.exact=r,this.at=0,this.deepest=0,this.slack=0,this.again=0}wrong(t=this.at<this.source.length?`${JSON.stringify(this.
source[this.at])} cannot stand here`:"the text ends too early"){return h(`JSON, character ${this.at}: ${t}`)}space(){for(;` 	
\r`.includes(this.source[this.at]||"x");)this.at++}take(t){return this.space(),this.source[this.at]!==t?!1:(this.at++,!0)}need(t){if(!this.take(t))throw this.wrong()}match(t){
t.lastIndex=this.at;const r=t.exec(this.source);return r&&(this.at+=r[0].length),r}string(){this.space();const t=this.match(/"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y);
if(!t)throw this.wrong("a text is expected");const r=t[0].includes("\\")?JSON.parse(t[0]):t[0].slice(1,-1);if(/\p{Surrogate}/u.test(r))throw this.wrong("a text \
has half of a pair of UTF-16");return r}number(){const t=this.match(/-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y);if(!t)throw this.wrong();if(t[1]===void 0&&t[2]===
void 0)return x(BigInt(t[0]));const r=Number(t[0]);if(!Number.isFinite(r))throw new w("OutOfRange",`${t[0].slice(0,80)} is beyond the largest float`);return this.
exact&&Number.isInteger(r)?new y(r):r}value(t){this.space();const r=this.source[this.at];for(const[n,s]of[["null",null],["true",!0],["false",!1]])if(r===n[0]){if(!this.
source.startsWith(n,this.at))throw this.wrong();return this.at+=n.length,s}return r==='"'?this.string():r==="["?this.list(t):r==="{"?this.map(t):this.number()}list(t){
this.enter(t),this.at++;const r=[];if(this.take("]"))return r;do r.push(this.value(t+1));while(this.take(","));return this.need("]"),r}enter(t){if(this.deepest=
Math.max(this.deepest,t+1),t>=d+(this.slack?3:0))throw new w("TooLarge",`a value has at most ${d} levels`)}map(t){const r=++this.at;if(this.take("}"))return this.
made([],t);const n=this.string();if(!n.startsWith("$"))return this.made(this.entries(t,r),t);this.need(":"),this.space();const s=this.deepest;if(n==="$map"&&this.
source[this.at]==="{"){this.at++;const o=this.take("}")?[]:this.entries(t);if(this.take("}"))return this.made(o,t);if(++this.again>d)throw h("too many maps have\
 a key $map and others");return this.made(this.entries(t,r),t)}this.slack++;const a=this.value(t+1);return this.slack--,this.take("}")?(this.deepest=s,n==="$map"?
this.pairs(a,t):this.unescaped(n,a)):(this.enter(this.deepest-1),this.need(","),this.made([[n,a],...this.entries(t)],t))}entries(t,r=this.at){this.at=r;const n=[];
do{const s=this.string();this.need(":"),n.push([s,this.value(t+1)])}while(this.take(","));return this.need("}"),n}pairs(t,r){const n=s=>Array.isArray(s)&&s.length===
2&&typeof s[0]=="string";if(!Array.isArray(t)||!t.every(n))throw h("$map holds a map or a list of pairs of a text and a value");return this.made(t,r)}made(t,r){
this.enter(r);const n=new Map;for(const[a,o]of t){if(n.has(a))throw h(`the key ${JSON.stringify(a)} comes twice`);n.set(a,o)}if(this.exact)return n;const s={};for(const[
a,o]of n)Object.defineProperty(s,a,{value:o,writable:!0,enumerable:!0,configurable:!0});return s}unescaped(t,r){if(t!=="$ndarray"&&!(typeof r=="string"))throw h(
`${t} holds a text, or is no escape`);switch(t){case"$bytes":return k(r);case"$int":if(!/^-?\d+$/.test(r))throw h("$int holds an integer");return x(BigInt(r));case"\
$float":{const s={nan:NaN,inf:1/0,"-inf":-1/0}[r];if(s!==void 0)return this.exact&&r==="nan"?new y(NaN,0x7ff8n<<48n):s;if(!/^0x[0-9a-fA-F]{16}$/.test(r))throw h(
"$float holds nan, inf, -inf, or its bits as 0x and 16 digits");const a=new DataView(new ArrayBuffer(8));a.setBigUint64(0,BigInt(r));const o=a.getFloat64(0);return this.
exact&&(Number.isNaN(o)||Number.isInteger(o))?new y(o,Number.isNaN(o)?BigInt(r):void 0):o}case"$time":return g.from(r);case"$uuid":return new N(r);case"$decimal":
return new A(r);case"$ndarray":return this.array(r);default:throw h(`${t} is not an escape; a map with this one key is written inside $map`)}}array(t){const r=[
"dtype","shape","order","data"];if(t instanceof Map||(t=new Map(Object.entries(t??{}))),[...t.keys()].some(f=>!r.includes(f)))throw h("$ndarray holds a map of d\
type, shape, order and data");const[n,s,a,o]=r.map(f=>t.get(f)),c=Object.hasOwn(O,n)&&O[n];if(!c||!Array.isArray(s))throw h("$ndarray has a dtype that is known,\
 and a shape");if(s.some(f=>!["number","bigint"].includes(typeof f)))throw h("a shape has integers");const u=k(o);if(u.length%c.BYTES_PER_ELEMENT)throw h("the d\
ata of $ndarray ends within an element");const i=new p(new c(u.buffer),s,{dtype:n,order:a??"row"});return s.length===1&&i.order==="row"&&!["u8","bool","c64","c1\
28"].includes(n)?i.data:i}}export{T as parse,M as stringify};
