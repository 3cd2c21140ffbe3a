// Made of ../client.js by tests/support/npm.py: read that one.
const J={Disconnected:102,InvalidState:106,InvalidEndpoint:107,WrongType:109,Timeout:110,TooLarge:114,Malformed:115,Unsupported:116,SchemaMismatch:117,VersionMismatch:118,
Cancelled:119,OutOfRange:123,Missing:104,NotFound:103,PermissionDenied:113};class d extends Error{constructor(t,e,s={}){super(e,s.cause===void 0?void 0:{cause:s.
cause}),this.name="LinkspanError",this.kind=t,this.code=s.code??J[t]??127,this.retry=s.retry??!1,this.path=s.path,this.failure=s.failure}}const x=r=>new d(String(
r.kind),String(r.text),r),a=r=>new d("Malformed",r),g=r=>new d("Unsupported",r),$=r=>new d("TooLarge",r),k=r=>new d("OutOfRange",r),y=1000000000n,W=/^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;
class w{constructor(t){if(this.nanoseconds=BigInt(t),BigInt.asIntN(64,this.nanoseconds)!==this.nanoseconds)throw k("an instant is between the years 1677 and 226\
2");Object.freeze(this)}static now(){return new w(BigInt(Date.now())*1000000n)}static from(t){if(t instanceof w)return t;if(t instanceof Date){if(Number.isNaN(t.
getTime()))throw a("an invalid Date is no instant");return new w(BigInt(t.getTime())*1000000n)}const e=W.exec(t),[s,i,n,o,h,c]=e?e.slice(1,7).map(Number):[],f=new Date(
0);if(e&&f.setUTCFullYear(s,i-1,n),!e||f.getUTCMonth()!==i-1||f.getUTCDate()!==n||o>23||h>59||c>59||e[9]>23||e[10]>59)throw a(`${JSON.stringify(t)} is not a tim\
e as RFC 3339 writes it, such as 2026-03-01T12:00:00.5Z`);const l=(Number(e[9]??0)*60+Number(e[10]??0))*(e[8]==="-"?-60:60),p=f.getTime()/1e3+o*3600+h*60+c-l;return new w(
BigInt(p)*y+BigInt((e[7]??"").padEnd(9,"0")))}parts(){const t=(this.nanoseconds%y+y)%y;return[(this.nanoseconds-t)/y,t]}get seconds(){return Number(this.nanoseconds)/
1e9}toDate(){const[t,e]=this.parts();return new Date(Number(t*1000n+e/1000000n))}toString(){const[t,e]=this.parts(),s=String(e).padStart(9,"0").replace(/^(\d{3})000000$/,
"$1").replace(/^(\d{6})000$/,"$1");return new Date(Number(t)*1e3).toISOString().replace(".000Z",e?`.${s}Z`:"Z")}toJSON(){return this.toString()}}class E{constructor(t){
if(!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(t))throw a(`${JSON.stringify(t)} is no UUID`);this.text=t.toLowerCase(),Object.freeze(this)}toString(){return this.
text}toJSON(){return this.text}}class b{constructor(t){t=String(t);const e=/^([+-]?)(nan|inf|infinity)$/i.exec(t);if(e)this.text=e[2].toLowerCase()==="nan"?"NaN":
`${e[1]==="-"?"-":""}Infinity`;else{const s=t.length<=4096&&/^([+-]?)(?=\.?\d)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/.exec(t);if(!s)throw a(`${JSON.stringify(t.slice(
0,80))} is not a decimal number such as 1.10`);this.text=b.#s(s[1]==="-",s[2]+(s[3]??""),Number(s[4]??0)-(s[3]??"").length)}Object.freeze(this)}static of(t,e,s){
return new b(b.#s(t,e,s))}static#s(t,e,s){if(e=e.replace(/^0+(?=\d)/,""),e.length>1024)throw $(`a decimal number has at most 1024 digits, and not ${e.length}`);
const i=s+e.length-1;if(!(s>=-(2**31)&&i<2**31))throw k("the exponent of a decimal number has 32 bits");let n=e;return s>0||i<-6?n=(e.length>1?`${e[0]}.${e.slice(
1)}`:e)+`E${i<0?"":"+"}${i}`:s<0&&(n=e.padStart(1-s,"0"),n=`${n.slice(0,s)}.${n.slice(s)}`),(t?"-":"")+n}parts(){const t=/^(-?)(\d+)(?:\.(\d+))?(?:E([+-]\d+))?$/.
exec(this.text);return t?[t[1]==="-",BigInt(t[2]+(t[3]??"")),Number(t[4]??0)-(t[3]??"").length]:null}toString(){return this.text}toJSON(){return this.text}}class A{constructor(t,e){
this.value=Number(t),this.bits=e,Object.freeze(this)}valueOf(){return this.value}toJSON(){return this.value}}const u={bool:[Uint8Array,41],u8:[Uint8Array,64],u16:[
Uint16Array,69],u32:[Uint32Array,70],u64:[BigUint64Array,71],i8:[Int8Array,72],i16:[Int16Array,77],i32:[Int32Array,78],i64:[BigInt64Array,79],f32:[Float32Array,
85],f64:[Float64Array,86],c64:[Float32Array,85,2],c128:[Float64Array,86,2]},B=["u16","u32","u64","i8","i16","i32","i64","f32","f64"],M={64:"u8",68:"u8",65:"u16",
66:"u32",67:"u64",72:"i8",73:"i16",74:"i32",75:"i64",80:"f16",81:"f32",82:"f64",84:"f16"};for(const r of B)M[u[r][1]]=r;class O{constructor(t,e,{dtype:s,order:i="\
row"}={}){s??=Object.keys(u).find(c=>c!=="bool"&&t instanceof u[c][0]);const n=u[s];if(!n||!(t instanceof n[0]))throw new d("WrongType",`an array of ${s} has it\
s elements in a ${n?.[0].name??"typed array"}`);if(this.data=t,this.dtype=s,this.order=e?.length>1?i:"row",this.shape=e??[t.length/(n[2]??1)],!["row","column"].
includes(i))throw a("the order of an array is row or column");if(this.shape.length>15)throw $(`an array has at most 15 dimensions, and not ${this.shape.length}`);
let o=1n,h=!1;for(const c of this.shape){if(c<0||typeof c=="number"&&!Number.isSafeInteger(c))throw a("a length of an array is an integer without sign");c==0?h=
!0:o*=BigInt(c)}if(o>=1n<<64n)throw $(`an array of the shape [${this.shape}] is too large`);if((h?0n:o*BigInt(n[2]??1))!==BigInt(t.length))throw a(`a shape of [${this.
shape}] does not have ${t.length} elements`)}at(...t){let e=0;const s=this.shape.map((i,n)=>n);for(const i of this.order==="row"?s:s.reverse()){if(!(t[i]>=0&&t[i]<
this.shape[i]))throw k(`the index ${t[i]} is not within ${this.shape[i]}`);e=e*Number(this.shape[i])+t[i]}return u[this.dtype][2]?[this.data[2*e],this.data[2*e+
1]]:this.data[e]}}const I=64,m="a time has seconds, and a part of one in milli-, micro- or nanoseconds",q=new TextDecoder("utf-8",{fatal:!0,ignoreBOM:!0}),z=new TextEncoder,
F=["Uint8","Uint16","Uint32","BigUint64"],T=r=>r>=Number.MIN_SAFE_INTEGER&&r<=Number.MAX_SAFE_INTEGER?Number(r):r,C=(r,t,e)=>{t==="__proto__"?Object.defineProperty(
r,t,{value:e,writable:!0,enumerable:!0,configurable:!0}):r[t]=e};function L(r){const[t,e,s]=[r>>15?-1:1,r>>10&31,r&1023];return e===31?s?NaN:t*(1/0):t*(e?2**(e-
25)*(s+1024):2**-24*s)}class H{constructor(t,e,s){this.bytes=t,this.view=new DataView(t.buffer,t.byteOffset,t.byteLength),this.at=0,this.exact=e,this.most=s,this.
depth=0}ended(){return a("the value ends too early")}head(){const t=this.at++;if(t>=this.bytes.length)throw this.ended();const e=this.bytes[t],s=e&31;if(this.major=
e>>5,this.low=s,s<24)return s;if(s>27){if(s===31&&this.major>=2&&this.major<=5)return null;throw a(`there is no item ${e.toString(16)}`)}const i=1<<s-24;if(this.
at+i>this.bytes.length)throw this.ended();return this.at+=i,T(this.view[`get${F[s-24]}`](t+1))}expect(t,e){const s=this.head();if(this.major!==t)throw a(e);return s}isBreak(){
if(this.at>=this.bytes.length)throw this.ended();return this.bytes[this.at]!==255?!1:(this.at++,!0)}each(t,e,s){if(t===null){for(let i=0;!this.isBreak();i++)s(i);
return}if(t>(this.bytes.length-this.at)/e)throw a(`${t} items do not follow`);for(let i=0;i<t;i++)s(i)}chunk(t){if(t>this.bytes.length-this.at)throw a(`${t} byt\
es do not follow`);return this.at+=t,this.bytes.subarray(this.at-t,this.at)}string(t){if(t!==null)return this.chunk(t);const e=this.major,s=[];for(;!this.isBreak();){
const o=this.expect(e,"a chunk is of the kind that it is a part of");if(o===null)throw a("a chunk has a length");const h=this.chunk(o);e===3&&this.utf8(h),s.push(
h)}const i=new Uint8Array(s.reduce((o,h)=>o+h.length,0));let n=0;for(const o of s)i.set(o,n),n+=o.length;return i}utf8(t){if(t.length<32){let e="";for(const s of t){
if(s>127)break;e+=String.fromCharCode(s)}if(e.length===t.length)return e}try{return q.decode(t)}catch{throw a("a text is not UTF-8")}}float(t,e){const s=e===2?L(
this.view.getUint16(t)):e===4?this.view.getFloat32(t):this.view.getFloat64(t);if(!this.exact)return s;if(!Number.isNaN(s))return Number.isInteger(s)?new A(s):s;
if(e===8)return new A(s,this.view.getBigUint64(t));const i=BigInt(e===4?this.view.getUint32(t):this.view.getUint16(t)),[n,o]=e===4?[23n,31n]:[10n,15n];return new A(
s,i>>o<<63n|0x7ffn<<52n|(i&(1n<<n)-1n)<<52n-n)}enter(){if(++this.depth>this.most)throw $(`a value has at most ${I} levels`)}item(){const t=this.head();switch(this.
major){case 0:return t;case 1:return typeof t=="bigint"||t===Number.MAX_SAFE_INTEGER?T(-1n-BigInt(t)):-1-t;case 2:return this.string(t).slice();case 3:return this.
utf8(this.string(t));case 4:{this.enter();const e=[];return this.each(t,1,()=>e.push(this.item())),this.depth--,e}case 5:{this.enter();const e=this.exact?new Map:
{};return this.each(t,2,()=>{const s=this.head();if(this.major!==3)throw g("a key of a map is text");const i=this.utf8(this.string(s));if(this.exact?e.has(i):Object.
hasOwn(e,i))throw a(`the key ${JSON.stringify(i)} comes twice`);const n=this.item();this.exact?e.set(i,n):C(e,i,n)}),this.depth--,e}case 6:return this.tagged(t);default:
if(this.low===20||this.low===21)return this.low===21;if(this.low===22)return null;if(this.low>=25)return this.float(this.at-(1<<this.low-24),1<<this.low-24);throw this.
low===24&&t<32?a("a simple value is in too many bytes"):g(`the simple value ${t} has no form here`)}}tagged(t){switch(t){case 0:return w.from(this.utf8(this.string(
this.expect(3,m))));case 1:return this.seconds();case 2:case 3:{const e=this.big(this.string(this.expect(2,"a big integer is tagged bytes")));return T(t===2?e:-1n-
e)}case 4:{const e="a decimal number is an array of two integers",s=[];if(this.each(this.expect(4,e),1,()=>{const o=this.bytes[this.at];if(o>63&&o!==194&&o!==195)
throw a(e);s.push(BigInt(this.item()))}),s.length!==2)throw a(e);const[i,n]=s;if(i!==BigInt.asIntN(32,i))throw k("the exponent of a decimal number has 32 bits");
return b.of(n<0n,String(n<0n?-n:n),Number(i))}case 27:{const e=this.item();if(Array.isArray(e)&&e.length===2&&e[0]==="decimal"&&typeof e[1]=="string")return new b(
e[1]);throw g('of tag 27 only ["decimal", text] has a form here')}case 37:{const e=this.string(this.expect(2,"a UUID has 16 bytes"));if(e.length!==16)throw a("a\
 UUID has 16 bytes");return new E(Array.from(e,s=>s.toString(16).padStart(2,"0")).join("").replace(/^(.{8})(.{4})(.{4})(.{4})/,"$1-$2-$3-$4-"))}case 40:case 1040:
return this.array(t===40?"row":"column");case 41:case 43001:return this.vector(this.elements(t));case 1001:return this.time();case 55799:return this.item();default:
if(t>=64&&t<=87)return this.vector(this.elements(t));throw g(`the tag ${t} has no form here`)}}big(t){let e="0x0";for(const s of t)e+=s.toString(16).padStart(2,
"0");return BigInt(e)}seconds(){const t=this.bytes[this.at],e=Number(this.item());if(t>=64&&(t<249||t>251)||Number.isNaN(e))throw a(m);if(Math.abs(e)>1e10)throw k(
"an instant is between the years 1677 and 2262");const s=Math.floor(e);return new w(BigInt(s)*y+BigInt(Math.round((e-s)*1e9)))}time(){let t,e;const s=()=>{const i=this.
head();if(this.major>1)throw a(m);return this.major?-1n-BigInt(i):BigInt(i)};if(this.each(this.expect(5,m),2,()=>{const i=s();if(i===1n&&t===void 0)return void(t=
s());const n={"-3":1000000n,"-6":1000n,"-9":1n}[i];if(n===void 0&&i!==1n)throw g(m);if(n===void 0||e!==void 0||(e=s()*n,e<0n||e>=y))throw a(m)}),t===void 0)throw a(
m);return new w(t*y+(e??0n))}array(t){const e="an N-d array is an array of its shape and its elements",s=[];let i,n=0;if(this.each(this.expect(4,e),1,o=>{if(n++,
o===0)this.each(this.expect(4,e),1,()=>{if(s.length===15)throw $("an array has at most 15 dimensions");s.push(this.expect(0,e))});else if(o===1){const h=this.head();
if(this.major===4)i=this.plain(h);else if(this.major===6)i=this.elements(h);else throw a(e)}else throw a(e)}),n!==2)throw a(e);return this.vector(i,s,t)}vector([
t,e],s=[e.length/(u[t][2]??1)],i="row"){const n=new O(e,s,{dtype:t,order:i});return s.length===1&&i==="row"&&B.includes(t)?e:n}elements(t){if(t===41)return this.
plain(this.expect(4,"a typed array is tagged bytes"));if(t===43001){const[f,l]=this.elements(this.expect(6,"complex numbers are a typed array of floats here")),
p={f32:"c64",f64:"c128"}[f];if(!p)throw g("complex numbers are a typed array of floats here");if(l.length%2)throw a("a typed array ends within an element");return[
p,l]}const e=M[t];if(!e)throw g(`the tag ${t} has no form here`);const s=this.string(this.expect(2,"a typed array is tagged bytes")),[i,n]=u[e==="f16"?"u16":e],
o=i.BYTES_PER_ELEMENT;if(s.length%o)throw a("a typed array ends within an element");const c=s.byteOffset%o===0&&t!==68&&o>1&&t===n?new i(s.buffer,s.byteOffset,s.
length/o):new i(s.slice().buffer);if(o>1&&![n,84].includes(t)){const f=new Uint8Array(c.buffer);for(let l=0;l<f.length;l+=o)f.subarray(l,l+o).reverse()}return e===
"f16"?["f32",Float32Array.from(c,L)]:[e,c]}plain(t){const e=[];let s;return this.each(t,1,()=>{const i=this.bytes[this.at],n=i===244||i===245?"bool":i<64?"i64":
i>=249&&i<=251?"f64":null;if(s??=n,!n||n!==s)throw i===void 0?this.ended():g("an array has bools, integers of 64 bits with sign, or floats alone");const o=this.
item();if(n==="i64"&&BigInt(o)!==BigInt.asIntN(64,BigInt(o)))throw g("an array has bools, integers of 64 bits with sign, or floats alone");e.push(n==="i64"?BigInt(
o):Number(o))}),s??="bool",[s,u[s][0].from(e)]}}function et(r,{exact:t=!1}={}){return P(r,t,I)}function P(r,t,e){const s=new H(ArrayBuffer.isView(r)?new Uint8Array(
r.buffer,r.byteOffset,r.byteLength):new Uint8Array(r),t,e),i=s.item();if(s.at!==s.bytes.length)throw a("something follows the value");return i}class Z{constructor(){
this.bytes=new Uint8Array(256),this.view=new DataView(this.bytes.buffer),this.length=0,this.path=[],this.extent={values:0,key:0,integer:0,dimensions:0}}reach(t,e){
this.extent[t]=Math.max(this.extent[t],e)}room(t){if(this.length+t<=this.bytes.length)return;const e=new Uint8Array(Math.max(this.bytes.length*2,this.length+t));
e.set(this.bytes.subarray(0,this.length)),this.bytes=e,this.view=new DataView(e.buffer)}raw(t){this.room(t.length),this.bytes.set(t,this.length),this.length+=t.
length}head(t,e){const s=e<24?Number(e):e<256?24:e<65536?25:e<4294967296?26:27;this.room(9),this.bytes[this.length++]=t<<5|s,!(e<24)&&(this.view[`set${F[s-24]}`](
this.length,s===27?BigInt(e):Number(e)),this.length+=1<<s-24)}refused(t,e){const s=this.path.join("/");return new d(t,s?`at ${s}: ${e}`:e,{path:s})}text(t){if(/\p{Surrogate}/u.
test(t))throw this.refused("Malformed","a text has half of a pair of UTF-16");const e=z.encode(t);return this.head(3,e.length),this.raw(e),e.length}integer(t){t>=
0?this.head(0,t):this.head(1,typeof t=="bigint"?-1n-t:-1-t)}big(t){const e=t<0n?-1n-t:t;if(e<1n<<64n)return this.integer(t);let s=e.toString(16);this.reach("int\
eger",Math.ceil((t<0n?-t:t).toString(16).length/2)),s.length%2&&(s=`0${s}`),this.head(6,t<0n?3:2),this.bytesOf(Uint8Array.from(s.match(/../g),i=>parseInt(i,16)))}bytesOf(t){
this.head(2,t.length),this.raw(t)}float(t,e){this.room(9),this.bytes[this.length]=251,e!==void 0?this.view.setBigUint64(this.length+1,e):Number.isNaN(t)?this.view.
setBigUint64(this.length+1,0x7ff8n<<48n):this.view.setFloat64(this.length+1,t),this.length+=9}entries(t,e){this.enter(),this.head(5,e);for(const[s,i]of t){if(typeof s!=
"string")throw this.refused("Unsupported",`a key of a map is text, and not ${typeof s}`);this.reach("key",this.text(s)),this.inside(s,i)}}enter(){if(this.path.length>=
I)throw this.refused("TooLarge",`a value has at most ${I} levels; this one may contain itself`)}inside(t,e){this.path.push(t),this.value(e),this.path.pop()}array(t){
const{dtype:e,shape:s,order:i,data:n}=t instanceof O?t:new O(t);this.head(6,i==="row"?40:1040),this.head(4,2),this.head(4,s.length),this.reach("dimensions",s.length);
for(const o of s)this.head(0,o);u[e][2]&&this.head(6,43001),this.head(6,u[e][1]),e==="bool"?(this.head(4,n.length),this.raw(Uint8Array.from(n,o=>o?245:244))):this.
bytesOf(new Uint8Array(n.buffer,n.byteOffset,n.byteLength))}instant(t){const[e,s]=t.parts();this.raw([217,3,233,162,1]),this.integer(e),this.raw([40]),this.integer(
s)}decimal(t){const e=t.parts();if(!e||e[0]&&e[1]===0n)return this.head(6,27),this.head(4,2),this.text("decimal"),this.text(t.text);this.head(6,4),this.head(4,2),
this.integer(e[2]),this.big(e[0]?-e[1]:e[1])}value(t){switch(this.extent.values++,typeof t){case"number":return Number.isSafeInteger(t)&&!Object.is(t,-0)?this.integer(
t):this.float(t);case"string":return this.text(t);case"boolean":return this.raw([t?245:244]);case"bigint":return this.big(t);case"object":return t===null?this.raw(
[246]):this.object(t);default:throw this.refused("Unsupported",`${typeof t} has no form as a value`)}}object(t){if(Array.isArray(t)){this.enter(),this.head(4,t.
length);for(let e=0;e<t.length;e++)this.inside(e,t[e])}else if(t instanceof Uint8Array)this.bytesOf(t);else if(t instanceof ArrayBuffer)this.bytesOf(new Uint8Array(
t));else if(t instanceof O||ArrayBuffer.isView(t)&&!(t instanceof DataView))t instanceof Uint8ClampedArray&&(t=new O(new Uint8Array(t.buffer,t.byteOffset,t.length))),
this.array(t);else if(t instanceof w||t instanceof Date){try{t=w.from(t)}catch(e){throw this.refused(e.kind,e.message)}this.instant(t)}else if(t instanceof A)this.
float(t.value,t.bits);else if(t instanceof E)this.head(6,37),this.bytesOf(Uint8Array.from(t.text.replaceAll("-","").match(/../g),e=>parseInt(e,16)));else if(t instanceof
b)this.decimal(t);else if(t instanceof j)this.extent.values--,this.value(t.value);else if(t instanceof N)this.raw(t.bytes);else if(t instanceof Map)this.entries(
t,t.size);else if(t instanceof Set)this.object([...t]);else{const e=Object.getPrototypeOf(t);if(e!==null&&Object.getPrototypeOf(e)!==null)throw this.refused("Un\
supported",`an object of the class ${t.constructor?.name} has no form as a value: give a plain object of its fields`);const s=Object.entries(t).filter(([,i])=>i!==
void 0);this.entries(s,s.length)}}}class N{constructor(t){const e=new Z;e.value(t),this.bytes=e.bytes.slice(0,e.length),this.extent=e.extent}}function G(r){return new N(
r).bytes}function Y(r,t){const{bytes:e}=new N(r),s=r.value?.extent;for(const[i,n,o]of[["message","bytes in a message","`linkspan gateway --max-message-size` rai\
ses that"],["values","values inside of one","send numbers as a typed array, or several messages"],["key","bytes in a key","shorten it"],["integer","bytes in an \
integer","send it as bytes or text"],["dimensions","dimensions of an array","send several"]]){const h=i==="message"?e.length:s?.[i];if(h>t?.[i])throw $(`${r.name??
r.type}: ${h} ${n}, and the gateway takes ${t[i]}: ${o}`)}return e}class j{constructor(t,e=0){this.name=t.name,this.number=t.number,this.time=t.time,this.value=
t.value,this.missed=e,t.schema&&(this.schema=t.schema),t.error&&(this.error=x(t.error))}}class _{#s=[];#i=[];#t;get queued(){return this.#s}push(t){const e=this.#i.
shift();e?e.resolve({value:this.taken(t),done:!1}):this.#s.push(t)}taken(t){return t}end(t){this.#t??={error:t};for(const e of this.#i.splice(0))this.#e(e)}get isOver(){
return this.#t!==void 0}#e({resolve:t,reject:e}){const{error:s}=this.#t;this.#t={},s?e(s):t({value:void 0,done:!0})}next(){return new Promise((t,e)=>{this.#s.length?
t({value:this.taken(this.#s.shift()),done:!1}):this.#t?this.#e({resolve:t,reject:e}):this.#i.push({resolve:t,reject:e})})}async return(){return this.close(),this.#s.
length=0,{value:void 0,done:!0}}[Symbol.asyncIterator](){return this}}class X extends _{takes=["message","lagged","joined","ended"];names=new Map;#s;#i;#t;#e=0;#n;constructor(t,e,s){
super(),this.#s=t,this.#i=e;const{latest:i,rate:n,credit:o=128,events:h=!1,from:c,signal:f}=s;this.#t={latest:i??n!==void 0,rate:n,credit:o,events:h};for(const[
p,v]of Object.entries(c??{}))Object.assign(this.#o(p),typeof v=="object"?v:{number:v},{resumes:!0});const l=()=>this.close(U(f));f?.addEventListener("abort",l,{
once:!0}),this.#n=()=>f?.removeEventListener("abort",l)}end(t){this.#n(),super.end(t)}#o(t){let e=this.names.get(t);return e||(e={number:0,incarnation:void 0,messages:0,
missed:0,tail:0,said:0,untold:0},this.names.set(t,e)),e}get missed(){let t=0;for(const e of this.names.values())t+=e.missed;return t}frame(){const{latest:t,rate:e,
credit:s}=this.#t,i={type:"subscribe",names:this.#i};t?Object.assign(i,{latest:t,rate:e}):i.credit=this.#e=Math.max(s-this.queued.length,0);const n={};for(const[
o,h]of this.names)!h.number||h.incarnation===void 0&&!h.resumes||(C(n,o,h.incarnation===void 0?h.number:{number:h.number,incarnation:h.incarnation}),h.said+=h.tail,
h.tail=0);return Object.keys(n).length&&(i.from=n),i}taken(t){if(!this.#t.latest&&t instanceof j){const e=this.#t.credit-this.#e-this.queued.length;e*2>=this.#t.
credit&&this.#s.send({type:"credit",id:this.id,n:e})&&(this.#e+=e)}return t}#r(t,e){this.#t.events&&this.push({...e,type:t,id:void 0})}take(t){if(this.isOver)return;
if(typeof t.name!="string")throw a(`a frame ${t.type} has a name`);const e=this.#o(t.name);if(t.type==="joined")return e.incarnation!==t.incarnation&&!(e.resumes&&
e.incarnation===void 0)&&Object.assign(e,{number:0,said:0,tail:0}),e.incarnation=t.incarnation,this.#r("joined",t);if(t.type==="ended")return this.#r("ended",t);
const s=(t.type==="lagged"?t.missed:t.passed)??0;if(!(Number.isSafeInteger(s)&&s>=0))throw a("a number of missed messages is a number");const i=Math.min(e.said,
s),n=s-i;if(e.said-=i,e.missed+=n,e.untold+=n,t.type==="lagged"){e.tail+=s,n&&this.#r("lagged",{...t,missed:n});return}if(!(Number.isSafeInteger(t.number)&&t.number>
e.number))throw a(`${t.name}: the message ${t.number} after ${e.number}`);e.missed-=e.said,Object.assign(e,{number:t.number,said:0,tail:0,messages:e.messages+1});
const o=new j(t,e.untold);if(e.untold=0,!this.#t.latest&&--this.#e<0)throw a("the gateway sent more messages than it was given credit for");const h=this.#t.latest?
this.queued.findIndex(c=>c instanceof j&&c.name===t.name):-1;if(h>=0){const[c]=this.queued.splice(h,1);o.missed+=c.missed+1,e.missed++,e.messages--}this.#t.events&&
(o.type="message"),this.push(o)}cut(){this.#r("disconnected",{})}close(t){this.isOver||this.#s.forget(this,{type:"unsubscribe",id:this.id}),this.end(t)}}class K extends _{takes=[
"names"];#s;#i;#t=new Set;#e=!0;constructor(t,e){super(),this.#s=t,this.#i=e}frame(){return this.#e=!0,{type:"names",pattern:this.#i,follow:!0}}take(t){const e=new Set(
t.names.map(h=>String(h.name))),s=new Set(this.#e?[...this.#t].filter(h=>!e.has(h)):t.gone??[]);this.#e=!1;for(const h of e)this.#t.add(h);for(const h of s)this.#t.
delete(h);const i=this.queued.shift(),n=new Map([...i?.names??[],...t.names].map(h=>[h.name,h]));for(const h of s)n.delete(h);const o=(i?.gone??[]).filter(h=>!e.
has(h));this.push({names:[...n.values()],gone:[...new Set([...o,...s])]})}cut(){}close(t){this.isOver||this.#s.forget(this,{type:"unsubscribe",id:this.id}),this.
end(t)}}class Q{takes=["ack"];#s;#i;#t=[];#e;#n=!1;#o;#r;constructor(t,e,s){this.#s=t,this.name=e,this.#i=s,this.cut()}frame(){return{type:"publish",name:this.name,
schema:this.#i}}cut(){const t=new d("Disconnected",`the connection to the gateway ended before it said whether ${this.name} was published`);for(const{reject:e}of this.#t.
splice(0))e(t);this.#e=S(this.#e)}opened(){return this.#e.promise}take(t){if(this.#e.isDone)return this.#t.shift()?.resolve(t.number);this.#n=!0,this.#o=void 0,
this.#e.resolve()}fail(t){this.#e.isDone?this.#t.shift()?.reject(t):this.#n&&t.kind==="AddressInUse"?this.#s.restart(this,this.#o=Math.min((this.#o??.05)*2,V)):
this.end(t)}end(t=new d("InvalidState",`the publisher of ${this.name} is closed`)){if(!this.#r){this.#r=t,this.#s.forget(this),this.#e.reject(t);for(const{reject:e}of this.#t.
splice(0))e(t)}}async send(t){const e=new N(t);for(;!this.#r&&(await this.#e.promise,!this.#r);){if(!this.#e.isDone||!this.#s.send({type:"data",id:this.id,value:e}))
continue;const s=S();return this.#t.push(s),s.promise}throw this.#r}async close(){this.#r||(await Promise.allSettled(this.#t.map(({promise:t})=>t)),this.#r||this.#s.
forget(this,{type:"unpublish",id:this.id}),this.end())}}function S(r){if(r&&!r.isDone)return r;const t={isDone:!1};return t.promise=new Promise((e,s)=>{for(const[
i,n]of Object.entries({resolve:e,reject:s}))t[i]=o=>{t.isDone=!0,n(o)}}),t.promise.catch(()=>{}),t}const U=r=>new d("Cancelled","the program gave it up",{cause:r?.
reason}),R=r=>new Promise(t=>setTimeout(t,r*1e3)),V=10,D=(r,t)=>new d("InvalidEndpoint",`${String(r).split("#")[0]} is no address of a gateway: give ws://HOST:P\
ORT, wss://HOST:PORT, or the one that it prints`,{cause:t});class tt{welcome;onstate;#s;#i;#t;#e=S();#n;#o;#r=0;#u=Array.from(crypto.getRandomValues(new Uint8Array(
16)),t=>t.toString(16).padStart(2,"0")).join("");#h=new Map;#a=new Map;constructor(t,e){let s;try{s=new URL(t,globalThis.location?.href)}catch(n){throw D(t,n)}const i=new URLSearchParams(
s.hash.slice(1)).get("token");if(this.#i={token:i??"",reconnect:!0,timeout:10,...e},s.hash="",s.protocol=s.protocol.replace("http","ws"),!/^wss?:$/.test(s.protocol))
throw D(t);s.pathname==="/"&&(s.pathname="/linkspan"),this.#s=s.href}get isConnected(){return this.#e.isDone&&!this.#n}async attempt(){const t=this.#i.WebSocket??
globalThis.WebSocket??(await import("./node.js")).WebSocket;if(this.#n)throw this.#n;let e;try{e=this.#t=new t(this.#s,"linkspan.v1.cbor")}catch(c){throw D(this.#s,
c)}const s=S();let i,n;const o=setTimeout(()=>h(new d("Timeout",`${this.#s} did not answer within ${this.#i.timeout} s`,{retry:!0})),this.#i.timeout*1e3),h=c=>{
clearTimeout(o),clearInterval(n),e.onopen=e.onmessage=e.onclose=null,e.onerror=()=>{},e.readyState<2&&e.close(),this.#t===e&&(this.#t=void 0),s.isDone?this.#w(c):
s.reject(c)};return e.binaryType="arraybuffer",e.onopen=()=>{this.#o=void 0,e.send(G({type:"hello",version:1,token:this.#i.token,client:this.#u}))},e.onerror=c=>{
this.#o??=c?.error instanceof d?c.error:void 0},e.onclose=c=>{const f=`the connection to ${this.#s} ${s.isDone?"ended":"was refused"}${c?.reason?`: ${c.reason}`:
""}; is the gateway there, and does it admit this page?`;h(this.#o??new d("Disconnected",f,{retry:!0}))},e.onmessage=({data:c})=>{i=void 0;try{const f=P(c,!1,I+
2);if(typeof f?.type!="string")throw a("a frame is a map with its type");if(s.isDone)return this.#m(f);if(f.type==="error")return h(x(f));if(f.type!=="welcome")
throw a(`the first frame of a gateway is welcome, and not ${f.type}`);if(f.version!==1)throw new d("VersionMismatch",`the gateway speaks version ${f.version} of\
 the protocol, and this client version 1`);clearTimeout(o),this.welcome=f;const l=Math.min(Math.max(Number(f.limits?.ping)||20,.05),3600)*1e3;n=setInterval(()=>{
Date.now()-i>3*l?h(new d("Disconnected",`${this.#s} has not answered a ping for ${3*l/1e3} s`,{retry:!0})):(i??=Date.now(),this.send({type:"ping",id:0}))},l),s.
resolve(),this.#e.resolve();for(const p of[...this.#a.values()])this.#l(p);this.onstate?.("connected")}catch(f){h(f instanceof d?f:a(`a frame of the gateway is \
none: ${f}`))}},s.promise}#w(t){const e=[...this.#h.values()];this.#h.clear();for(const{reject:s,type:i}of e)s(new d("Disconnected",t.message,{retry:i!=="call",
cause:t}));if(!this.#n){this.#e=S();for(const s of[...this.#a.values()])s.cut();this.onstate?.("disconnected",t),this.#i.reconnect?this.#g():this.#f(t)}}async#g(){
for(let t=.1;!this.#n;t=Math.min(t*2,V)){if(await R(t*(.5+Math.random())),this.#n)return;try{return await this.attempt()}catch(e){if(["PermissionDenied","Versio\
nMismatch","InvalidEndpoint"].includes(e.kind))return this.#f(e);this.onstate?.("disconnected",e)}}}#f(t){if(!this.#n){this.#n=t,this.#e.reject(t);for(const e of[
...this.#a.values()])e.end(t.isClosed?void 0:t);this.#a.clear();for(const{reject:e}of this.#h.values())e(t);this.#h.clear(),this.onstate?.("closed",t.isClosed?void 0:
t)}}#m(t){const{id:e,type:s}=t,i=this.#a.get(e),n=this.#h.get(e);if(n&&["reply","names","error","closed"].includes(s))this.#h.delete(e),s==="error"?n.reject(x(t)):
n.resolve(t);else if(s==="error"&&e==null)this.#o=x(t);else if(i)if(s==="error"&&i.fail)i.fail(x(t));else if(s==="error"||s==="closed"){const o=s==="error"?t:t.
error;this.#a.delete(e),i.end(o?x(o):void 0)}else i.takes.includes(s)&&i.take(t);else return}send(t){return this.#t?.readyState>1&&this.#t.onclose?.({}),!this.isConnected||
this.#t?.readyState!==1?!1:(this.#t.send(Y(t,this.welcome.limits)),!0)}forget(t,e){this.#a.delete(t.id)&&e&&this.send(e)}#d(t){return this.#n?(t.end(this.#n),t):
(t.id=++this.#r,this.#a.set(t.id,t),this.isConnected&&this.#l(t),t)}async restart(t,e){const s=this.#e;await R(e),s===this.#e&&this.#a.get(t.id)===t&&this.#l(t)}#l(t){
try{this.send({...t.frame(),id:t.id})}catch(e){this.#a.delete(t.id),t.end(e)}}async#c(t,{timeout:e=30,signal:s}={}){if(this.#n)throw this.#n;if(s?.aborted)throw U(
s);const i=Object.assign(S(),{type:t.type}),n=++this.#r,o=l=>{this.#h.delete(n)&&t.type==="call"&&this.send({type:"cancel",id:n}),i.reject(l)},h=()=>o(U(s));s?.
addEventListener("abort",h,{once:!0});const c=()=>t.type!=="call"||!this.#h.has(n),f=setTimeout(()=>o(new d("Timeout",`the gateway did not answer within ${e} s`,
{retry:c()})),Math.min(e*1e3+2e3,2**31-1));try{return this.#e.promise.then(()=>{i.isDone||(this.#h.set(n,i),this.send({...t,id:n})||i.reject(new d("Disconnected",
"the connection to the gateway ended",{retry:!0})))}).catch(i.reject),await i.promise}finally{this.#h.delete(n),clearTimeout(f),s?.removeEventListener("abort",h)}}subscribe(t,e={}){
const s=new X(this,t,e);return e.signal?.aborted?(s.end(U(e.signal)),s):this.#d(s)}async latest(t,e){return new j(await this.#c({type:"latest",name:t},e))}async names(t="\
*",e=void 0){return(await this.#c({type:"names",pattern:t},e)).names}follow(t="*"){return this.#d(new K(this,t))}async schema(t,e){return(await this.#c({type:"s\
chema",name:t},e)).value}async call(t,e=null,{timeout:s=30,signal:i}={}){const n={type:"call",name:t,value:new N(e),timeout:s};return(await this.#c(n,{timeout:s,
signal:i})).value}async publisher(t,{schema:e,timeout:s=30}={}){const i=this.#d(new Q(this,t,e)),n=setTimeout(()=>{this.forget(i,{type:"unpublish",id:i.id}),i.end(
new d("Timeout",`${t}: the gateway did not open it within ${s} s`,{retry:!0}))},Math.min(s*1e3,2**31-1));try{await i.opened()}finally{clearTimeout(n)}return i}close(){
const t=new d("InvalidState","the connection was closed by the program");t.isClosed=!0;const e=this.#t;this.#f(t),e&&e.onclose?.({})}}async function st(r,t={}){
const e=new tt(r,t);return await e.attempt(),e}export{b as Decimal,A as Float,d as LinkspanError,j as Message,O as NdArray,w as Timestamp,E as Uuid,st as connect,et as decode,G as encode};
