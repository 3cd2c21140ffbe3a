// Made of ../json.js by tests/support/npm.py: read that one.
import{Decimal as A,Float as p,LinkspanError as u,NdArray as w,Timestamp as g,Uuid as N}from"./client.js";const y=64,h=e=>new u("Malformed",e),T=new TextDecoder(
"utf-8",{fatal:!0,ignoreBOM:!0}),U=e=>e>=Number.MIN_SAFE_INTEGER&&e<=Number.MAX_SAFE_INTEGER?Number(e):e,x=2467;function k(e){if(e.length>x+1)throw new u("TooLa\
rge",`an integer has at most ${x} digits, and not ${e.length}`);return U(BigInt(e))}const $=e=>{let t="";for(let r=0;r<e.length;r+=8192)t+=String.fromCharCode(...e.
subarray(r,r+8192));return btoa(t)};function O(e){if(typeof e!="string"||e.length%4||!/^[A-Za-z0-9+/]*={0,2}$/.test(e))throw h("bytes are a text in base64");const t=Uint8Array.
from(atob(e),r=>r.charCodeAt(0));if($(t)!==e)throw h("bytes are a text in base64");return t}const S={bool:Uint8Array,u8:Uint8Array,u16:Uint16Array,u32:Uint32Array,
u64:BigUint64Array,i8:Int8Array,i16:Int16Array,i32:Int32Array,i64:BigInt64Array,f32:Float32Array,f64:Float64Array,c64:Float32Array,c128:Float64Array};function B(e){
return b(e,[])}function j(e){const t=[...e.keys()];return t.length===1&&t[0].startsWith("$")}function E(e,t){if(Number.isNaN(e))return t===void 0||t===0x7ff8n<<
48n?'{"$float":"nan"}':`{"$float":"0x${t.toString(16).padStart(16,"0")}"}`;if(!Number.isFinite(e))return`{"$float":"${e<0?"-inf":"inf"}"}`;if(Object.is(e,-0))return"\
-0.0";const r=Math.abs(e);if(r!==0&&(r<1e-5||r>=1e16))return e.toExponential().replace(/\.0+e/,"e");const n=String(e);return/[.e]/.test(n)?n:`${n}.0`}function b(e,t){
const r=(o,f)=>new u(o,t.length?`at ${t.join("/")}: ${f}`:f,{path:t.join("/")}),n=(o,f)=>{t.push(o);const l=b(f,t);return t.pop(),l},s=()=>{if(t.length>=y)throw r(
"TooLarge",`a value has at most ${y} levels`)};switch(typeof e){case"string":if(/\p{Surrogate}/u.test(e))throw r("Malformed","a text has half of a pair of UTF-1\
6");return JSON.stringify(e);case"number":return Number.isSafeInteger(e)&&!Object.is(e,-0)?String(e):E(e);case"boolean":return String(e);case"bigint":return e>=
-(1n<<63n)&&e<1n<<64n?String(e):`{"$int":"${e}"}`;case"object":break;default:throw r("Unsupported",`${typeof e} has no form as a value`)}if(e===null)return"null";
if(Array.isArray(e))return s(),`[${e.map((o,f)=>n(f,o)).join(",")}]`;if(e instanceof Uint8Array)return`{"$bytes":"${$(e)}"}`;if(e instanceof w||ArrayBuffer.isView(
e)&&!(e instanceof DataView)){const{dtype:o,shape:f,order:l,data:m}=e instanceof w?e:new w(e),I=new Uint8Array(m.buffer,m.byteOffset,m.byteLength);return`{"$nda\
rray":{"dtype":"${o}","shape":[${f}],"order":"${l}","data":"${$(I)}"}}`}if(e instanceof g||e instanceof Date)return`{"$time":"${g.from(e)}"}`;if(e instanceof p)
return E(e.value,e.bits);if(e instanceof N)return`{"$uuid":"${e}"}`;if(e instanceof A)return`{"$decimal":"${e}"}`;const i=Object.getPrototypeOf(e);if(!(e instanceof
Map)&&i!==null&&Object.getPrototypeOf(i)!==null)throw r("Unsupported",`an object of the class ${e.constructor?.name} has no form as a value: give a plain object\
 of its fields`);s();const a=e instanceof Map?e:new Map(Object.entries(e).filter(([,o])=>o!==void 0)),c=[];for(const[o,f]of a){if(typeof o!="string")throw r("Un\
supported",`a key of a map is text, and not ${typeof o}`);c.push(`${b(o,t)}:${n(o,f)}`)}const d=`{${c.join(",")}}`;return j(a)?`{"$map":${d}}`:d}function D(e,t={}){
const{exact:r=!1,...n}=t;for(const a of Object.keys(n))throw new u("Unsupported",`parse: no option is called ${JSON.stringify(a)}; there is exact`,{path:a});if(typeof e!=
"string")try{e=T.decode(e)}catch{throw h("the text is not UTF-8")}const s=new F(e,r),i=s.value(0);if(s.space(),s.at<e.length)throw s.wrong();return i}class F{constructor(t,r){
this.source=t,this.exact=r,this.at=0,this.deepest=0,this.slack=0,this.again=0}wrong(t=this.at<this.source.length?`${JSON.stringify(this.source[this.at])} cannot\
 stand here`:"the text ends too early"){return h(`JSON, character ${this.at}: ${t}`)}space(){for(;` 	
\r`.includes(this.source[this.at]||"x");)this.at++}take(t){return this.space(),this.source[this.at]!==t?!1:(this.at++,!0)}need(t){if(!this.take(t))throw this.wrong()}match(t){
t.lastIndex=this.at;const r=t.exec(this.source);return r&&(this.at+=r[0].length),r}string(){this.space();const t=this.match(/"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y);
if(!t)throw this.wrong("a text is expected");const r=t[0].includes("\\")?JSON.parse(t[0]):t[0].slice(1,-1);if(/\p{Surrogate}/u.test(r))throw this.wrong("a text \
has half of a pair of UTF-16");return r}number(){const t=this.match(/-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y);if(!t)throw this.wrong();if(t[1]===void 0&&t[2]===
void 0)return k(t[0]);const r=Number(t[0]);if(!Number.isFinite(r))throw new u("OutOfRange",`${t[0].slice(0,80)} is beyond the largest float`);return this.exact&&
Number.isInteger(r)?new p(r):r}value(t){this.space();const r=this.source[this.at];for(const[n,s]of[["null",null],["true",!0],["false",!1]])if(r===n[0]){if(!this.
source.startsWith(n,this.at))throw this.wrong();return this.at+=n.length,s}return r==='"'?this.string():r==="["?this.list(t):r==="{"?this.map(t):this.number()}list(t){
this.enter(t),this.at++;const r=[];if(this.take("]"))return r;do r.push(this.value(t+1));while(this.take(","));return this.need("]"),r}enter(t){if(this.deepest=
Math.max(this.deepest,t+1),t>=y+(this.slack?3:0))throw new u("TooLarge",`a value has at most ${y} levels`)}map(t){const r=++this.at;if(this.take("}"))return this.
made([],t);const n=this.string();if(!n.startsWith("$"))return this.made(this.entries(t,r),t);this.need(":"),this.space();const s=this.deepest;if(n==="$map"&&this.
source[this.at]==="{"){this.at++;const a=this.take("}")?[]:this.entries(t);if(this.take("}"))return this.made(a,t);if(++this.again>y)throw h("too many maps have\
 a key $map and others");return this.made(this.entries(t,r),t)}this.slack++;const i=this.value(t+1);return this.slack--,this.take("}")?(this.deepest=s,n==="$map"?
this.pairs(i,t):this.unescaped(n,i)):(this.enter(this.deepest-1),this.need(","),this.made([[n,i],...this.entries(t)],t))}entries(t,r=this.at){this.at=r;const n=[];
do{const s=this.string();this.need(":"),n.push([s,this.value(t+1)])}while(this.take(","));return this.need("}"),n}pairs(t,r){const n=s=>Array.isArray(s)&&s.length===
2&&typeof s[0]=="string";if(!Array.isArray(t)||!t.every(n))throw h("$map holds a map or a list of pairs of a text and a value");return this.made(t,r)}made(t,r){
this.enter(r);const n=new Map;for(const[i,a]of t){if(n.has(i))throw h(`the key ${JSON.stringify(i)} comes twice`);n.set(i,a)}if(this.exact)return n;const s={};for(const[
i,a]of n)Object.defineProperty(s,i,{value:a,writable:!0,enumerable:!0,configurable:!0});return s}unescaped(t,r){if(t!=="$ndarray"&&!(typeof r=="string"))throw h(
`${t} holds a text, or is no escape`);switch(t){case"$bytes":return O(r);case"$int":if(!/^-?\d+$/.test(r))throw h("$int holds an integer");return k(r);case"$flo\
at":{const s={nan:NaN,inf:1/0,"-inf":-1/0}[r];if(s!==void 0)return this.exact&&r==="nan"?new p(NaN,0x7ff8n<<48n):s;if(!/^0x[0-9a-fA-F]{16}$/.test(r))throw h("$f\
loat holds nan, inf, -inf, or its bits as 0x and 16 digits");const i=new DataView(new ArrayBuffer(8));i.setBigUint64(0,BigInt(r));const a=i.getFloat64(0);return this.
exact&&(Number.isNaN(a)||Number.isInteger(a))?new p(a,Number.isNaN(a)?BigInt(r):void 0):a}case"$time":return g.from(r);case"$uuid":return new N(r);case"$decimal":
return new A(r);case"$ndarray":return this.array(r);default:throw h(`${t} is not an escape; a map with this one key is written inside $map`)}}array(t){const r=[
"dtype","shape","order","data"];if(t instanceof Map||(t=new Map(Object.entries(t??{}))),[...t.keys()].some(f=>!r.includes(f)))throw h("$ndarray holds a map of d\
type, shape, order and data");const[n,s,i,a]=r.map(f=>t.get(f)),c=Object.hasOwn(S,n)&&S[n];if(!c||!Array.isArray(s))throw h("$ndarray has a dtype that is known,\
 and a shape");if(s.some(f=>!["number","bigint"].includes(typeof f)))throw h("a shape has integers");const d=O(a);if(d.length%c.BYTES_PER_ELEMENT)throw h("the d\
ata of $ndarray ends within an element");const o=new w(new c(d.buffer),s,{dtype:n,order:i??"row"});return s.length===1&&o.order==="row"&&!["u8","bool","c64","c1\
28"].includes(n)?o.data:o}}export{D as parse,B as stringify};
