// Made of ../client.js by tests/support/npm.py: read that one.
const h={message:67108864,values:1e6,levels:64,key:65536,integer:1024,digits:1024,dimensions:15,around:{bytes:65536,values:64,levels:2},held:4,cost:128,names:65536,
events:65536,requests:1024,fragments:65536,unread:8388608,text:4096,pause:.1,longestPause:10,steady:10,ping:[.05,600]},q={TransportUnavailable:100,Disconnected:102,
NotFound:103,Missing:104,AddressInUse:105,InvalidState:106,InvalidEndpoint:107,OutOfMemory:108,WrongType:109,Timeout:110,Full:111,Empty:112,PermissionDenied:113,
TooLarge:114,Malformed:115,Unsupported:116,SchemaMismatch:117,VersionMismatch:118,Cancelled:119,Interrupted:120,Stalled:121,Remote:122,OutOfRange:123,NoSpace:124,
Lagged:125,Corrupt:126,Internal:127};class d extends Error{static name="LinkspanError";constructor(t,e,s={}){super(e,s.cause===void 0?void 0:{cause:s.cause}),this.
kind=t,this.code=s.code??q[t]??127,this.retry=s.retry??!1,this.path=s.path,this.failure=s.failure}get name(){return"LinkspanError"}}function N(r){let t=(r.text??
"the gateway gave no reason").slice(0,h.text);const e=r.path?`at path ${r.path.slice(0,h.text)}`:"";return t.endsWith(e)||(t+=`, ${e}`),new d(Object.hasOwn(q,r.
kind)?r.kind:"Internal",t,r)}const c=r=>new d("Malformed",r),y=r=>new d("Unsupported",r),g=r=>new d("TooLarge",r);function x(r,t,...e){for(const s of Object.keys(
t??{}))if(!e.includes(s))throw new d("Unsupported",`${r}: no option is called ${JSON.stringify(s)}; there are ${e.join(", ")}`,{path:s})}const S=r=>new d("OutOf\
Range",r),v=1000000000n,K=/^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;class p{static name="Timestamp";constructor(t){
if(this.nanoseconds=BigInt(t),BigInt.asIntN(64,this.nanoseconds)!==this.nanoseconds)throw S("an instant is between the years 1677 and 2262");Object.freeze(this)}static now(){
return new p(BigInt(Date.now())*1000000n)}static from(t){if(t instanceof p)return t;if(t instanceof Date){if(Number.isNaN(t.getTime()))throw c("an invalid Date \
is no instant");return new p(BigInt(t.getTime())*1000000n)}const e=K.exec(t),[s,i,n,a,o,w]=e?e.slice(1,7).map(Number):[],l=new Date(0);if(e&&l.setUTCFullYear(s,
i-1,n),!e||l.getUTCMonth()!==i-1||l.getUTCDate()!==n||a>23||o>59||w>59||e[9]>23||e[10]>59)throw c(`${JSON.stringify(t)} is not a time as RFC 3339 writes it, suc\
h as 2026-03-01T12:00:00.5Z`);const f=(Number(e[9]??0)*60+Number(e[10]??0))*(e[8]==="-"?-60:60),m=l.getTime()/1e3+a*3600+o*60+w-f;return new p(BigInt(m)*v+BigInt(
(e[7]??"").padEnd(9,"0")))}parts(){const t=(this.nanoseconds%v+v)%v;return[(this.nanoseconds-t)/v,t]}get seconds(){return Number(this.nanoseconds)/1e9}toDate(){
const[t,e]=this.parts();return new Date(Number(t*1000n+e/1000000n))}toString(){const[t,e]=this.parts(),s=String(e).padStart(9,"0").replace(/^(\d{3})000000$/,"$1").
replace(/^(\d{6})000$/,"$1");return new Date(Number(t)*1e3).toISOString().replace(".000Z",e?`.${s}Z`:"Z")}toJSON(){return this.toString()}}class z{static name="\
Uuid";constructor(t){if(!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(t))throw c(`${JSON.stringify(t)} is no UUID`);this.text=t.toLowerCase(),Object.freeze(
this)}toString(){return this.text}toJSON(){return this.text}}class I{static name="Decimal";constructor(t){t=String(t);const e=/^([+-]?)(nan|inf|infinity)$/i.exec(
t);if(e)this.text=e[2].toLowerCase()==="nan"?"NaN":`${e[1]==="-"?"-":""}Infinity`;else{const s=t.length<=4096&&/^([+-]?)(?=\.?\d)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/.
exec(t);if(!s)throw c(`${JSON.stringify(t.slice(0,80))} is not a decimal number such as 1.10`);this.text=I.#e(s[1]==="-",s[2]+(s[3]??""),Number(s[4]??0)-(s[3]??
"").length)}Object.freeze(this)}static of(t,e,s){return new I(I.#e(t,e,s))}static#e(t,e,s){if(e=e.replace(/^0+(?=\d)/,""),e.length>h.digits)throw g(`a decimal n\
umber has at most ${h.digits} digits, and not ${e.length}`);const i=s+e.length-1;if(!(s>=-(2**31)&&i<2**31))throw S("the exponent of a decimal number has 32 bit\
s");let n=e;return s>0||i<-6?n=(e.length>1?`${e[0]}.${e.slice(1)}`:e)+`E${i<0?"":"+"}${i}`:s<0&&(n=e.padStart(1-s,"0"),n=`${n.slice(0,s)}.${n.slice(s)}`),(t?"-":
"")+n}parts(){const t=/^(-?)(\d+)(?:\.(\d+))?(?:E([+-]\d+))?$/.exec(this.text);return t?[t[1]==="-",BigInt(t[2]+(t[3]??"")),Number(t[4]??0)-(t[3]??"").length]:null}toString(){
return this.text}toJSON(){return this.text}}class T{static name="Float";constructor(t,e){this.value=Number(t),this.bits=e,Object.freeze(this)}valueOf(){return this.
value}toJSON(){return this.value}}const b={bool:[Uint8Array,41],u8:[Uint8Array,64],u16:[Uint16Array,69],u32:[Uint32Array,70],u64:[BigUint64Array,71],i8:[Int8Array,
72],i16:[Int16Array,77],i32:[Int32Array,78],i64:[BigInt64Array,79],f32:[Float32Array,85],f64:[Float64Array,86],c64:[Float32Array,85,2],c128:[Float64Array,86,2]},
V=["u16","u32","u64","i8","i16","i32","i64","f32","f64"],W={64:"u8",68:"u8",65:"u16",66:"u32",67:"u64",72:"i8",73:"i16",74:"i32",75:"i64",80:"f16",81:"f32",82:"\
f64",84:"f16"};for(const r of V)W[b[r][1]]=r;class M{static name="NdArray";constructor(t,e,s={}){x("NdArray",s,"dtype","order");let{dtype:i,order:n="row"}=s;i??=
Object.keys(b).find(l=>l!=="bool"&&t instanceof b[l][0]);const a=b[i];if(!a||!(t instanceof a[0]))throw new d("WrongType",`an array of ${i} has its elements in \
a ${a?.[0].name??"typed array"}`);if(this.data=t,this.dtype=i,this.order=e?.length>1?n:"row",this.shape=e??[t.length/(a[2]??1)],!["row","column"].includes(n))throw c(
"the order of an array is row or column");if(this.shape.length>h.dimensions)throw g(`an array has at most ${h.dimensions} dimensions, and not ${this.shape.length}`);
let o=1n,w=!1;for(const l of this.shape){if(l<0||typeof l=="number"&&!Number.isSafeInteger(l))throw c("a length of an array is an integer without sign");l==0?w=
!0:o*=BigInt(l)}if(o>=1n<<64n)throw g(`an array of the shape [${this.shape}] is too large`);if((w?0n:o*BigInt(a[2]??1))!==BigInt(t.length))throw c(`a shape of [${this.
shape}] does not have ${t.length} elements`)}at(...t){let e=0;const s=this.shape.map((i,n)=>n);for(const i of this.order==="row"?s:s.reverse()){if(!(t[i]>=0&&t[i]<
this.shape[i]))throw S(`the index ${t[i]} is not within ${this.shape[i]}`);e=e*Number(this.shape[i])+t[i]}return b[this.dtype][2]?[this.data[2*e],this.data[2*e+
1]]:this.data[e]}}const $="a time has seconds, and a part of one in milli-, micro- or nanoseconds",Q=new TextDecoder("utf-8",{fatal:!0,ignoreBOM:!0}),tt=new TextEncoder,
J=["Uint8","Uint16","Uint32","BigUint64"],F=r=>r>=Number.MIN_SAFE_INTEGER&&r<=Number.MAX_SAFE_INTEGER?Number(r):r,H=(r,t,e)=>{t==="__proto__"?Object.defineProperty(
r,t,{value:e,writable:!0,enumerable:!0,configurable:!0}):r[t]=e};function Z(r){const[t,e,s]=[r>>15?-1:1,r>>10&31,r&1023];return e===31?s?NaN:t*(1/0):t*(e?2**(e-
25)*(s+1024):2**-24*s)}class et{constructor(t,e,s){this.bytes=t,this.view=new DataView(t.buffer,t.byteOffset,t.byteLength),this.at=0,this.exact=e,this.most=h.levels+
(s?.levels??0),this.depth=this.tags=0,this.values=1,this.mostValues=h.values+(s?.values??0)}count(t){if(this.values+=t,this.values>this.mostValues)throw g(`a me\
ssage has at most ${h.values} values`)}ended(){return c("the value ends too early")}head(){const t=this.at++;if(t>=this.bytes.length)throw this.ended();const e=this.
bytes[t],s=e&31;if(this.major=e>>5,this.low=s,s<24)return s;if(s>27){if(s===31&&this.major>=2&&this.major<=5)return null;throw c(`there is no item ${e.toString(
16)}`)}const i=1<<s-24;if(this.at+i>this.bytes.length)throw this.ended();return this.at+=i,F(this.view[`get${J[s-24]}`](t+1))}expect(t,e){const s=this.head();if(this.
major!==t)throw c(e);return s}isBreak(){if(this.at>=this.bytes.length)throw this.ended();return this.bytes[this.at]!==255?!1:(this.at++,!0)}each(t,e,s){if(t===null){
for(let i=0;!this.isBreak();i++)this.count(1),s(i);return}if(t>(this.bytes.length-this.at)/e)throw c(`${t} items do not follow`);this.count(t);for(let i=0;i<t;i++)
s(i)}chunk(t){if(t>this.bytes.length-this.at)throw c(`${t} bytes do not follow`);return this.at+=t,this.bytes.subarray(this.at-t,this.at)}string(t){if(t!==null)
return this.chunk(t);const e=this.major,s=[];for(;!this.isBreak();){const a=this.expect(e,"a chunk is of the kind that it is a part of");if(a===null)throw c("a \
chunk has a length");this.count(1);const o=this.chunk(a);e===3&&this.utf8(o),s.push(o)}const i=new Uint8Array(s.reduce((a,o)=>a+o.length,0));let n=0;for(const a of s)
i.set(a,n),n+=a.length;return i}utf8(t){if(t.length<32){let e="";for(const s of t){if(s>127)break;e+=String.fromCharCode(s)}if(e.length===t.length)return e}try{
return Q.decode(t)}catch{throw c("a text is not UTF-8")}}float(t,e){const s=e===2?Z(this.view.getUint16(t)):e===4?this.view.getFloat32(t):this.view.getFloat64(t);
if(!this.exact)return s;if(!Number.isNaN(s))return Number.isInteger(s)?new T(s):s;if(e===8)return new T(s,this.view.getBigUint64(t));const i=BigInt(e===4?this.view.
getUint32(t):this.view.getUint16(t)),[n,a]=e===4?[23n,31n]:[10n,15n];return new T(s,i>>a<<63n|0x7ffn<<52n|(i&(1n<<n)-1n)<<52n-n)}enter(){if(++this.depth>this.most)
throw g(`a value has at most ${h.levels} levels`)}item(){const t=this.head();switch(this.major){case 0:return t;case 1:return typeof t=="bigint"||t===Number.MAX_SAFE_INTEGER?
F(-1n-BigInt(t)):-1-t;case 2:return this.string(t).slice();case 3:return this.utf8(this.string(t));case 4:{this.enter();const e=[];return this.each(t,1,()=>e.push(
this.item())),this.depth--,e}case 5:{this.enter();const e=this.exact?new Map:{};return this.each(t,2,()=>{const s=this.head();if(this.major!==3)throw y("a key o\
f a map is text");const i=this.string(s);if(i.length>h.key)throw g(`a key has at most ${h.key} bytes, and not ${i.length}`);const n=this.utf8(i);if(this.exact?e.
has(n):Object.hasOwn(e,n))throw c(`the key ${JSON.stringify(n)} comes twice`);const a=this.item();this.exact?e.set(n,a):H(e,n,a)}),this.depth--,e}case 6:{if(++this.
tags>h.levels)throw g(`a value has at most ${h.levels} levels`);const e=this.tagged(t);return this.tags--,e}default:if(this.low===20||this.low===21)return this.
low===21;if(this.low===22)return null;if(this.low>=25)return this.float(this.at-(1<<this.low-24),1<<this.low-24);throw this.low===24&&t<32?c("a simple value is \
in too many bytes"):y(`the simple value ${t} has no form here`)}}tagged(t){switch(t){case 0:return p.from(this.utf8(this.string(this.expect(3,$))));case 1:return this.
seconds();case 2:case 3:{const e=this.big(this.string(this.expect(2,"a big integer is tagged bytes")));return F(t===2?e:-1n-e)}case 4:{const e="a decimal number\
 is an array of two integers",s=[];if(this.each(this.expect(4,e),1,()=>{const a=this.bytes[this.at];if(a>63&&a!==194&&a!==195)throw c(e);s.push(BigInt(this.item()))}),
s.length!==2)throw c(e);const[i,n]=s;if(i!==BigInt.asIntN(32,i))throw S("the exponent of a decimal number has 32 bits");return I.of(n<0n,String(n<0n?-n:n),Number(
i))}case 27:{const e=this.item();if(Array.isArray(e)&&e.length===2&&e[0]==="decimal"&&typeof e[1]=="string")return new I(e[1]);throw y('of tag 27 only ["decimal\
", text] has a form here')}case 37:{const e=this.string(this.expect(2,"a UUID has 16 bytes"));if(e.length!==16)throw c("a UUID has 16 bytes");return new z(Array.
from(e,s=>s.toString(16).padStart(2,"0")).join("").replace(/^(.{8})(.{4})(.{4})(.{4})/,"$1-$2-$3-$4-"))}case 40:case 1040:return this.array(t===40?"row":"column");case 41:case 43001:
return this.vector(this.elements(t));case 1001:return this.time();case 55799:return this.item();default:if(t>=64&&t<=87)return this.vector(this.elements(t));throw y(
`the tag ${t} has no form here`)}}big(t){if(t.length>h.integer)throw g(`an integer has at most ${h.integer} bytes, and not ${t.length}`);let e="0x0";for(const s of t)
e+=s.toString(16).padStart(2,"0");return BigInt(e)}seconds(){const t=this.bytes[this.at],e=Number(this.item());if(t>=64&&(t<249||t>251)||Number.isNaN(e))throw c(
$);if(Math.abs(e)>1e10)throw S("an instant is between the years 1677 and 2262");const s=Math.floor(e);return new p(BigInt(s)*v+BigInt(Math.round((e-s)*1e9)))}time(){
let t,e;const s=()=>{const i=this.head();if(this.major>1)throw c($);return this.major?-1n-BigInt(i):BigInt(i)};if(this.each(this.expect(5,$),2,()=>{const i=s();
if(i===1n&&t===void 0)return void(t=s());const n={"-3":1000000n,"-6":1000n,"-9":1n}[i];if(n===void 0&&i!==1n)throw y($);if(n===void 0||e!==void 0||(e=s()*n,e<0n||
e>=v))throw c($)}),t===void 0)throw c($);return new p(t*v+(e??0n))}array(t){const e="an N-d array is an array of its shape and its elements",s=[];let i,n=0;if(this.
each(this.expect(4,e),1,a=>{if(n++,a===0)this.each(this.expect(4,e),1,()=>{if(s.length===h.dimensions)throw g(`an array has at most ${h.dimensions} dimensions`);
s.push(this.expect(0,e))});else if(a===1){const o=this.head();if(this.major===4)i=this.plain(o);else if(this.major===6)i=this.elements(o);else throw c(e)}else throw c(
e)}),n!==2)throw c(e);return this.vector(i,s,t)}vector([t,e],s=[e.length/(b[t][2]??1)],i="row"){const n=new M(e,s,{dtype:t,order:i});return s.length===1&&i==="r\
ow"&&V.includes(t)?e:n}elements(t){if(t===41)return this.plain(this.expect(4,"a typed array is tagged bytes"));if(t===43001){const[l,f]=this.elements(this.expect(
6,"complex numbers are a typed array of floats here")),m={f32:"c64",f64:"c128"}[l];if(!m)throw y("complex numbers are a typed array of floats here");if(f.length%
2)throw c("a typed array ends within an element");return[m,f]}const e=W[t];if(!e)throw y(`the tag ${t} has no form here`);const s=this.string(this.expect(2,"a t\
yped array is tagged bytes")),[i,n]=b[e==="f16"?"u16":e],a=i.BYTES_PER_ELEMENT;if(s.length%a)throw c("a typed array ends within an element");const w=s.byteOffset%
a===0&&t!==68&&a>1&&t===n?new i(s.buffer,s.byteOffset,s.length/a):new i(s.slice().buffer);if(a>1&&![n,84].includes(t)){const l=new Uint8Array(w.buffer);for(let f=0;f<
l.length;f+=a)l.subarray(f,f+a).reverse()}return e==="f16"?["f32",Float32Array.from(w,Z)]:[e,w]}plain(t){if(t!==null&&(this.bytes[this.at]|1)===245){const i=this.
chunk(t);if(!i.every(n=>(n|1)===245))throw y("an array has bools, integers of 64 bits with sign, or floats alone");return["bool",i.map(n=>n&1)]}const e=[];let s;
return this.each(t,1,()=>{const i=this.bytes[this.at],n=i===244||i===245?"bool":i<64?"i64":i>=249&&i<=251?"f64":null;if(s??=n,!n||n!==s)throw i===void 0?this.ended():
y("an array has bools, integers of 64 bits with sign, or floats alone");const a=this.item();if(n==="i64"&&BigInt(a)!==BigInt.asIntN(64,BigInt(a)))throw y("an ar\
ray has bools, integers of 64 bits with sign, or floats alone");e.push(n==="i64"?BigInt(a):Number(a))}),s??="bool",[s,b[s][0].from(e)]}}function ut(r,t={}){return x(
"decode",t,"exact"),G(r,t.exact??!1)[0]}function G(r,t,e){const s=new et(ArrayBuffer.isView(r)?new Uint8Array(r.buffer,r.byteOffset,r.byteLength):new Uint8Array(
r),t,e),i=s.item();if(s.at!==s.bytes.length)throw c("something follows the value");return[i,s.bytes.length+s.values*h.cost]}class st{constructor(){this.bytes=new Uint8Array(
256),this.view=new DataView(this.bytes.buffer),this.length=0,this.path=[],this.extent={values:0,key:0,integer:0,dimensions:0}}reach(t,e){this.extent[t]=Math.max(
this.extent[t],e)}room(t){if(this.length+t<=this.bytes.length)return;const e=new Uint8Array(Math.max(this.bytes.length*2,this.length+t));e.set(this.bytes.subarray(
0,this.length)),this.bytes=e,this.view=new DataView(e.buffer)}raw(t){this.room(t.length),this.bytes.set(t,this.length),this.length+=t.length}head(t,e){const s=e<
24?Number(e):e<256?24:e<65536?25:e<4294967296?26:27;this.room(9),this.bytes[this.length++]=t<<5|s,!(e<24)&&(this.view[`set${J[s-24]}`](this.length,s===27?BigInt(
e):Number(e)),this.length+=1<<s-24)}refused(t,e){const s=this.path.join("/");return new d(t,s?`at ${s}: ${e}`:e,{path:s})}text(t){if(/\p{Surrogate}/u.test(t))throw this.
refused("Malformed","a text has half of a pair of UTF-16");const e=tt.encode(t);return this.head(3,e.length),this.raw(e),e.length}integer(t){t>=0?this.head(0,t):
this.head(1,typeof t=="bigint"?-1n-t:-1-t)}big(t){const e=t<0n?-1n-t:t;if(e<1n<<64n)return this.integer(t);let s=e.toString(16);this.reach("integer",Math.ceil((t<
0n?-t:t).toString(16).length/2)),s.length%2&&(s=`0${s}`),this.head(6,t<0n?3:2),this.bytesOf(Uint8Array.from(s.match(/../g),i=>parseInt(i,16)))}bytesOf(t){this.head(
2,t.length),this.raw(t)}float(t,e){this.room(9),this.bytes[this.length]=251,e!==void 0?this.view.setBigUint64(this.length+1,e):Number.isNaN(t)?this.view.setBigUint64(
this.length+1,0x7ff8n<<48n):this.view.setFloat64(this.length+1,t),this.length+=9}entries(t,e){this.enter(),this.head(5,e);for(const[s,i]of t){if(typeof s!="stri\
ng")throw this.refused("Unsupported",`a key of a map is text, and not ${typeof s}`);this.reach("key",this.text(s)),this.inside(s,i)}}enter(){if(this.path.length>=
h.levels)throw this.refused("TooLarge",`a value has at most ${h.levels} levels; this one may contain itself`)}inside(t,e){this.path.push(t),this.value(e),this.path.
pop()}array(t){const{dtype:e,shape:s,order:i,data:n}=t instanceof M?t:new M(t);this.head(6,i==="row"?40:1040),this.head(4,2),this.head(4,s.length),this.reach("d\
imensions",s.length);for(const a of s)this.head(0,a);b[e][2]&&this.head(6,43001),this.head(6,b[e][1]),e==="bool"?(this.head(4,n.length),this.raw(Uint8Array.from(
n,a=>a?245:244))):this.bytesOf(new Uint8Array(n.buffer,n.byteOffset,n.byteLength))}instant(t){const[e,s]=t.parts();this.raw([217,3,233,162,1]),this.integer(e),this.
raw([40]),this.integer(s)}decimal(t){const e=t.parts();if(!e||e[0]&&e[1]===0n)return this.head(6,27),this.head(4,2),this.text("decimal"),this.text(t.text);this.
head(6,4),this.head(4,2),this.integer(e[2]),this.big(e[0]?-e[1]:e[1])}value(t){switch(this.extent.values++,typeof t){case"number":return Number.isSafeInteger(t)&&
!Object.is(t,-0)?this.integer(t):this.float(t);case"string":return this.text(t);case"boolean":return this.raw([t?245:244]);case"bigint":return this.big(t);case"\
object":return t===null?this.raw([246]):this.object(t);default:throw this.refused("Unsupported",`${typeof t} has no form as a value`)}}object(t){if(Array.isArray(
t)){this.enter(),this.head(4,t.length);for(let e=0;e<t.length;e++)this.inside(e,t[e])}else if(t instanceof Uint8Array)this.bytesOf(t);else if(t instanceof ArrayBuffer)
this.bytesOf(new Uint8Array(t));else if(t instanceof M||ArrayBuffer.isView(t)&&!(t instanceof DataView))t instanceof Uint8ClampedArray&&(t=new M(new Uint8Array(
t.buffer,t.byteOffset,t.length))),this.array(t);else if(t instanceof p||t instanceof Date){try{t=p.from(t)}catch(e){throw this.refused(e.kind,e.message)}this.instant(
t)}else if(t instanceof T)this.float(t.value,t.bits);else if(t instanceof z)this.head(6,37),this.bytesOf(Uint8Array.from(t.text.replaceAll("-","").match(/../g),
e=>parseInt(e,16)));else if(t instanceof I)this.decimal(t);else if(t instanceof O)this.extent.values--,this.value(t.value);else if(t instanceof A)this.raw(t.bytes);else if(t instanceof
Map)this.entries(t,t.size);else if(t instanceof Set)this.object([...t]);else{const e=Object.getPrototypeOf(t);if(e!==null&&Object.getPrototypeOf(e)!==null)throw this.
refused("Unsupported",`an object of the class ${t.constructor?.name} has no form as a value: give a plain object of its fields`);const s=Object.entries(t).filter(
([,i])=>i!==void 0);this.entries(s,s.length)}}}class A{constructor(t){const e=new st;e.value(t),this.bytes=e.bytes.slice(0,e.length),this.extent=e.extent}}function it(r){
return new A(r).bytes}function nt(r,t){const{bytes:e}=new A(r),s=r.value?.extent;for(const[i,n,a]of[["message","bytes in a message","`linkspan gateway --max-mes\
sage-size` raises that"],["values","values inside of one","send numbers as a typed array, or several messages"],["key","bytes in a key","shorten it"],["integer",
"bytes in an integer","send it as bytes or text"],["dimensions","dimensions of an array","send several"]]){const o=i==="message"?e.length:s?.[i];if(o>t?.[i])throw g(
`${r.name??r.type}: ${o} ${n}, and the gateway takes ${t[i]}: ${a}`)}return e}const j=r=>typeof r=="object"&&r!==null&&Object.getPrototypeOf(r)===Object.prototype,
L=r=>Number.isSafeInteger(r)&&r>=0,D=r=>typeof r=="string",rt={text:D,map:j,count:L,number:r=>L(r)&&r>0,integer:Number.isSafeInteger,bool:r=>typeof r=="boolean",
instant:r=>r instanceof p,texts:r=>Array.isArray(r)&&r.every(D),names:r=>Array.isArray(r)&&r.every(t=>j(t)&&D(t.name)),error:r=>j(r)&&!C(r,U.error),failure:r=>j(
r)&&!C(r,U.failure)},U={welcome:"| machine:text rights:map limits:map",message:"name:text number:number | time:instant passed:count schema:text error:error",lagged:"\
name:text missed:count",joined:"name:text incarnation:text",ended:"name:text",closed:"| error:error",reply:"| number:count time:instant",names:"names:names | go\
ne:texts",ack:"number:count",error:"kind:text | text:text retry:bool path:text failure:failure",failure:"| code:integer kind:text text:text",request:"call:count\
 | wants_reply:bool"};for(const[r,t]of Object.entries(U)){const[e,s=""]=t.split("|").map(i=>i.trim().split(" ").filter(Boolean).map(n=>n.split(":")));U[r]=[...e.
map(i=>[...i,!0]),...s]}const C=(r,t)=>t?.find(([e,s,i])=>(r[e]??null)===null?i:!rt[s](r[e]))?.[0];function at(r,t){if(typeof r=="string")throw c("a frame of te\
xt; the frames of this protocol are bytes");if(r.byteLength>t+h.around.bytes)throw g(`a frame of ${r.byteLength} bytes; this client takes values of ${t}, which \
maxMessageSize of connect raises`);const[e,s]=G(r,!1,h.around);if(!j(e)||!D(e.type))throw c("a frame is a map with its type");const i=C(e,Object.hasOwn(U,e.type)?
U[e.type]:void 0);if(i)throw c(`a frame ${e.type} of the gateway has no right ${i}`);return[e,s]}class O{static name="Message";constructor(t,e=0,s=!1){this.name=
t.name,this.number=t.number,this.time=t.time,this.value=t.value,this.missed=e,s&&(this.unseen=!0),t.schema&&(this.schema=t.schema),t.error&&(this.error=N(t.error))}}
class R{#e=[];#n=[];#t;get queued(){return this.#e}push(t){const e=this.#n.shift();e?e.resolve({value:this.taken(t),done:!1}):this.#e.push(t)}taken(t){return t}end(t){
this.#t??={error:t};for(const e of this.#n.splice(0))this.#s(e)}get isOver(){return this.#t!==void 0}#s({resolve:t,reject:e}){const{error:s}=this.#t;this.#t={},
s?e(s):t({value:void 0,done:!0})}next(){return new Promise((t,e)=>{this.#e.length?t({value:this.taken(this.#e.shift()),done:!1}):this.#t?this.#s({resolve:t,reject:e}):
this.#n.push({resolve:t,reject:e})})}async return(){return this.close(),this.#e.length=0,{value:void 0,done:!0}}[Symbol.asyncIterator](){return this}}class ot extends R{takes=[
"message","lagged","joined","ended"];names=new Map;#e;#n;#t;#s=0;#i=new WeakMap;#r=0;#c;constructor(t,e,s){super(),this.#e=t,this.#n=e,x("subscribe",s,"latest",
"rate","credit","events","from","signal");const{latest:i,rate:n,credit:a=128,events:o=!1,from:w,signal:l}=s;this.#t={latest:i??n!==void 0,rate:n,credit:a,events:o};
for(const[m,u]of Object.entries(w??{}))Object.assign(this.#a(m),typeof u=="object"?u:{number:u},{resumes:!0});const f=()=>this.close(E(l));l?.addEventListener("\
abort",f,{once:!0}),this.#c=()=>l?.removeEventListener("abort",f)}end(t){this.#c(),super.end(t)}#a(t){let e=this.names.get(t);return e||(e={number:0,incarnation:void 0,
messages:0,missed:0,unseen:0,tail:0,said:0,untold:0,isUntold:!1,lives:!1,isAway:!1},this.names.set(t,e)),e}get missed(){let t=0;for(const e of this.names.values())
t+=e.missed;return t}frame(){const{latest:t,rate:e,credit:s}=this.#t,i={type:"subscribe",names:this.#n};t?Object.assign(i,{latest:t,rate:e}):i.credit=this.#s=Math.
max(s-this.queued.length,0);const n={};for(const[a,o]of this.names)!o.number||o.incarnation===void 0&&!o.resumes||(H(n,a,o.incarnation===void 0?o.number:{number:o.
number,incarnation:o.incarnation}),o.said+=o.tail,o.tail=0);return Object.keys(n).length&&(i.from=n),i}taken(t){if(this.#r-=this.#i.get(t)??0,!this.#t.latest&&t instanceof
O){const e=this.#t.credit-this.#s-this.queued.length;e*2>=this.#t.credit&&this.#e.send({type:"credit",id:this.id,n:e})&&(this.#s+=e)}return t}#l(t,e){if(this.#t.
events){if(this.queued.length>h.events+this.#t.credit)return this.close(new d("Full",`${h.events} events wait for the program: take them sooner`));this.push({...e,
type:t,id:void 0})}}take(t,e){if(this.isOver)return;if(this.names.size>=h.names&&!this.names.has(t.name))return this.close(g(`a subscription has at most ${h.names}\
 names: subscribe to a narrower pattern`));const s=this.#a(t.name),i=s.isAway;if(s.isAway=!1,s.lives=t.type!=="ended",t.type==="joined")return i&&s.incarnation!==
void 0&&s.incarnation!==t.incarnation&&!this.#t.latest&&(s.unseen++,s.isUntold=!0,this.#l("lagged",{name:t.name,missed:null})),s.incarnation!==t.incarnation&&!(s.
resumes&&s.incarnation===void 0)&&Object.assign(s,{number:0,said:0,tail:0}),s.incarnation=t.incarnation,this.#l("joined",t);if(t.type==="ended")return this.#l("\
ended",t);const n=(t.type==="lagged"?t.missed:t.passed)??0,a=Math.min(s.said,n),o=n-a;if(s.said-=a,s.missed+=o,s.untold+=o,t.type==="lagged"){s.tail+=n,o&&this.#l(
"lagged",{...t,missed:o});return}if(t.number<=s.number)throw c(`${t.name}: the message ${t.number} after ${s.number}`);s.missed-=s.said,Object.assign(s,{number:t.
number,said:0,tail:0,messages:s.messages+1});const w=new O(t,s.untold,s.isUntold);if(s.untold=0,s.isUntold=!1,!this.#t.latest&&--this.#s<0)throw c("the gateway \
sent more messages than it was given credit for");const l=this.#t.latest?this.queued.findIndex(f=>f instanceof O&&f.name===t.name):-1;for(l>=0&&this.#f(l,w),this.#t.
events&&(w.type="message"),this.#i.set(w,e),this.#r+=e,this.push(w);this.#r>h.held*this.#e.longest;){const f=this.queued.findIndex(u=>u instanceof O);if(f<0||this.
queued[f]===w)break;const{name:m}=this.queued[f];this.#f(f,this.queued.find((u,B)=>B>f&&u instanceof O&&u.name===m))}}#f(t,e){const[s]=this.queued.splice(t,1),i=this.#a(
s.name);this.#r-=this.#i.get(s),i.missed++,i.messages--,e?(e.missed+=s.missed+1,s.unseen&&(e.unseen=!0)):(i.untold+=s.missed+1,i.isUntold||=s.unseen??!1)}cut(){
for(const t of this.names.values())t.isAway||=t.lives,t.lives=!1;this.#l("disconnected",{})}close(t){this.isOver||this.#e.forget(this,{type:"unsubscribe",id:this.
id}),this.end(t)}}class ht extends R{takes=["names"];#e;#n;#t=new Set;#s=!0;constructor(t,e){super(),this.#e=t,this.#n=e}frame(){return this.#s=!0,{type:"names",
pattern:this.#n,follow:!0}}take(t){const e=new Set(t.names.map(o=>o.name)),s=new Set(this.#s?[...this.#t].filter(o=>!e.has(o)):(t.gone??[]).filter(o=>this.#t.has(
o)));this.#s=!1;for(const o of e)this.#t.add(o);for(const o of s)this.#t.delete(o);if(this.#t.size+(this.queued[0]?.gone.length??0)>h.names)return this.close(g(
`a list has at most ${h.names} names: follow a narrower pattern, or take the changes sooner`));const i=this.queued.shift(),n=new Map([...i?.names??[],...t.names].
map(o=>[o.name,o]));for(const o of s)n.delete(o);const a=(i?.gone??[]).filter(o=>!e.has(o));this.push({names:[...n.values()],gone:[...new Set([...a,...s])]})}cut(){}close(t){
this.isOver||this.#e.forget(this,{type:"unsubscribe",id:this.id}),this.end(t)}}class ct{takes=["ack"];#e;#n;#t=[];#s;#i=!1;#r;constructor(t,e,s){this.#e=t,this.
name=e,this.#n=s,this.cut()}frame(){return{type:"publish",name:this.name,schema:this.#n}}cut(){const t=new d("Disconnected",`the connection to the gateway ended\
 before it said whether ${this.name} was published`);for(const{reject:e}of this.#t.splice(0))e(t);this.#s=k(this.#s)}opened(){return this.#s.promise}take(t){if(this.#s.
isDone)return this.#t.shift()?.resolve(t.number);this.#i=!0,this.pause=void 0,this.#s.resolve()}fail(t){this.#s.isDone?this.#t.shift()?.reject(t):this.#i&&t.kind===
"AddressInUse"?this.#e.restart(this):this.end(t)}end(t=new d("InvalidState",`the publisher of ${this.name} is closed`)){if(!this.#r){this.#r=t,this.#e.forget(this),
this.#s.reject(t);for(const{reject:e}of this.#t.splice(0))e(t)}}async send(t){const e=new A(t);for(;!this.#r&&(await this.#s.promise,!this.#r);){if(!this.#s.isDone||
!this.#e.send({type:"data",id:this.id,value:e}))continue;const s=k();return this.#t.push(s),s.promise}throw this.#r}async close(){this.#r||(await Promise.allSettled(
this.#t.map(({promise:t})=>t)),this.#r||this.#e.forget(this,{type:"unpublish",id:this.id}),this.end())}}class lt{answered=!1;#e;#n;constructor(t,e){this.#e=t,this.#n=
e.call,this.value=e.value,this.wantsReply=e.wants_reply??!0}#t(t){if(this.answered||!this.wantsReply)throw new d("InvalidState",`${this.#e.name}: the request wa\
s answered, or wants no answer`);this.#e.answer(this,{call:this.#n,...t}),this.answered=!0}reply(t){this.#t({value:new A(t??null)})}fail(t,e={}){x("fail",e,"cod\
e","kind","data");const{code:s=-32603,kind:i="",data:n=null}=e;this.#t({failure:{code:s,kind:i,text:String(t),data:n}})}failWith(t){const{code:e,kind:s,text:i,data:n}=t instanceof
d&&t.failure||{};this.fail(i??t?.message??t,{code:e,kind:s??t?.name??typeof t,data:n})}}class ft extends R{takes=["ack","request"];#e;#n;#t=k();#s=!1;#i=new Map;#r=0;constructor(t,e,s){
super(),this.#e=t,this.name=e,this.#n=s}frame(){const{schema:t,replySchema:e}=this.#n;return{type:"serve",name:this.name,schema:t,reply_schema:e}}opened(){return this.#t.
promise}cut(){this.#i.clear(),this.#r=0,this.queued.length=0,this.#t=k(this.#t)}take(t,e){if(t.type==="ack")return this.#s=!0,this.pause=void 0,this.#t.resolve();
if(this.#r+=e,this.#i.size&&(this.#i.size>=h.requests||this.#r>h.held*this.#e.longest))throw c(`${this.name}: the gateway sent more requests than fit before the\
 program answered them`);const s=new lt(this,t);this.#i.set(s,e),this.push(s)}taken(t){return t.wantsReply||this.#c(t),t}#c(t){return this.#r-=this.#i.get(t)??0,
this.#i.delete(t)}answer(t,e){this.#i.has(t)&&this.#e.send({type:"answer",id:this.id,...e}),this.#c(t)}fail(t){this.#t.isDone?this.onerror?.(t):this.#s&&t.kind===
"AddressInUse"?this.#e.restart(this):this.end(t)}end(t){this.#e.forget(this),this.#t.reject(t??new d("InvalidState",`the server of ${this.name} is closed`)),super.
end(t)}async run(t,e={}){if(x("run",e,"workers"),typeof t!="function")throw new d("WrongType",`${this.name}: a handler is a function of a request`,{path:"handle\
r"});const{workers:s=1}=e;if(!Number.isSafeInteger(s)||s<1)throw S(`${this.name}: workers is a number from 1 upwards`);const i=async()=>{for(let n;!(n=await this.
next()).done;)await this.#a(t,n.value)};await Promise.all(Array.from({length:s},i))}async#a(t,e){const s=()=>e.wantsReply&&!e.answered;try{const i=await t(e);s()&&
e.reply(i)}catch(i){try{s()&&e.failWith(i)}catch(n){s()&&e.failWith(n)}this.onerror?.(i)}}close(){this.isOver||this.#e.forget(this,{type:"unserve",id:this.id}),
this.end()}}function k(r){if(r&&!r.isDone)return r;const t={isDone:!1};return t.promise=new Promise((e,s)=>{for(const[i,n]of Object.entries({resolve:e,reject:s}))
t[i]=a=>{t.isDone=!0,n(a)}}),t.promise.catch(()=>{}),t}const E=r=>new d("Cancelled","the program gave it up",{cause:r?.reason}),Y=r=>new Promise(t=>setTimeout(t,
r*1e3)),P=(r,t)=>new d("InvalidEndpoint",`${String(r).split("#")[0]} is no address of a gateway: give ws://HOST:PORT, wss://HOST:PORT, or the one that it prints`,
{cause:t});class dt{welcome;onstate;#e;#n;#t;#s=k();#i;#r;#c=0;#a=h.pause;#l=0;#f=Array.from(crypto.getRandomValues(new Uint8Array(16)),t=>t.toString(16).padStart(
2,"0")).join("");#o=new Map;#h=new Map;constructor(t,e){let s;try{s=new URL(t,globalThis.location?.href)}catch(n){throw P(t,n)}x("connect",e,"token","reconnect",
"timeout","WebSocket","maxMessageSize");const i=new URLSearchParams(s.hash.slice(1)).get("token");if(this.#n={token:i??"",reconnect:!0,timeout:10,maxMessageSize:h.
message,...e},this.longest=this.#n.maxMessageSize,!(Number.isSafeInteger(this.longest)&&this.longest>=1024))throw S("maxMessageSize is bytes, from 1024 upwards");
if(s.hash="",s.protocol=s.protocol.replace("http","ws"),!/^wss?:$/.test(s.protocol))throw P(t);s.pathname==="/"&&(s.pathname="/linkspan"),this.#e=s.href}get isConnected(){
return this.#s.isDone&&!this.#i}async attempt(){const{process:t,WebSocket:e}=globalThis,s=t?.versions?.node&&!t.versions.bun&&!t.versions.deno&&!t.versions.electron,
i=this.#n.WebSocket??(s?(await import("./node.js")).WebSocket:e);if(this.#i)throw this.#i;let n;try{n=this.#t=new i(this.#e,"linkspan.v1.cbor",{longest:this.longest+
h.around.bytes,...h})}catch(m){throw P(this.#e,m)}const a=k();let o,w;const l=setTimeout(()=>f(new d("Timeout",`${this.#e} did not answer within ${this.#n.timeout}\
 s`,{retry:!0})),this.#n.timeout*1e3),f=m=>{clearTimeout(l),clearInterval(w),n.onopen=n.onmessage=n.onclose=null,n.onerror=()=>{},n.readyState<2&&n.close(),this.#t===
n&&(this.#t=void 0),a.isDone?this.#p(m):a.reject(m)};return n.binaryType="arraybuffer",n.onopen=()=>{this.#r=void 0,n.send(it({type:"hello",version:1,token:this.#n.
token,client:this.#f}))},n.onerror=m=>{this.#r??=m?.error instanceof d?m.error:void 0},n.onclose=m=>{const u=`the connection to ${this.#e} ${a.isDone?"ended":"w\
as refused"}${m?.reason?`: ${m.reason}`:""}; is the gateway there, and does it admit this page?`;f(this.#r??new d("Disconnected",u,{retry:!0}))},n.onmessage=({data:m})=>{
o=void 0;try{const[u,B]=at(m,this.longest);if(a.isDone)return this.#b(u,B);if(u.type==="error")return f(N(u));if(u.type!=="welcome")throw c(`the first frame of \
a gateway is welcome, and not ${u.type}`);if(u.version!==1)throw new d("VersionMismatch",`the gateway speaks version ${u.version} of the protocol, and this clie\
nt version 1`);clearTimeout(l),this.welcome=u;const _=Math.min(Math.max(Number(u.limits?.ping)||20,h.ping[0]),h.ping[1])*1e3;w=setInterval(()=>{Date.now()-o>3*_?
f(new d("Disconnected",`${this.#e} has not answered a ping for ${3*_/1e3} s`,{retry:!0})):(o??=Date.now(),this.send({type:"ping",id:0}))},_),a.resolve(),this.#l=
Date.now(),this.#s.resolve();for(const X of[...this.#h.values()])this.#m(X);this.onstate?.("connected")}catch(u){f(u instanceof d?u:c(`a frame of the gateway is\
 none: ${u}`))}},a.promise}#p(t){const e=[...this.#o.values()];this.#o.clear();for(const{reject:s,type:i}of e)s(new d("Disconnected",t.message,{retry:i!=="call",
cause:t}));if(!this.#i){this.#s=k(),Date.now()-this.#l>h.steady*1e3&&(this.#a=h.pause);for(const s of[...this.#h.values()])s.cut();this.onstate?.("disconnected",
t),this.#n.reconnect?this.#y():this.#u(t)}}async#y(){for(;!this.#i;){const t=this.#a*(.5+Math.random()/2);if(this.#a=Math.min(this.#a*2,h.longestPause),await Y(
t),this.#i)return;try{return await this.attempt()}catch(e){if(["PermissionDenied","VersionMismatch","InvalidEndpoint"].includes(e.kind))return this.#u(e);this.onstate?.(
"disconnected",e)}}}#u(t){if(!this.#i){this.#i=t,this.#s.reject(t);for(const e of[...this.#h.values()])e.end(t.isClosed?void 0:t);this.#h.clear();for(const{reject:e}of this.#o.
values())e(t);this.#o.clear(),this.onstate?.("closed",t.isClosed?void 0:t)}}#b(t,e){const{id:s,type:i}=t,n=this.#h.get(s),a=this.#o.get(s);if(a){const o=i==="er\
ror"?t:i==="closed"?t.error??{kind:"Disconnected",text:"the gateway ended it"}:void 0;if(!o&&!a.fits(t))throw c(`the gateway answered ${a.type} with a frame ${i}\
 that does not fit`);this.#o.delete(s),o?a.reject(N(o)):a.resolve(t)}else if(i==="error"&&s==null)this.#r=N(t);else if(n)if(i==="error"&&n.fail)n.fail(N(t));else if(i===
"error"||i==="closed"){const o=i==="error"?t:t.error;this.#h.delete(s),n.end(o?N(o):void 0)}else n.takes.includes(i)&&n.take(t,e);else return}send(t){return this.#t?.
readyState>1&&this.#t.onclose?.({}),!this.isConnected||this.#t?.readyState!==1?!1:(this.#t.send(nt(t,this.welcome.limits)),!0)}forget(t,e){this.#h.delete(t.id)&&
e&&this.send(e)}#w(t){return this.#i?(t.end(this.#i),t):(t.id=++this.#c,this.#h.set(t.id,t),this.isConnected&&this.#m(t),t)}async restart(t){const e=this.#s;t.pause=
Math.min((t.pause??h.pause/2)*2,h.longestPause),await Y(t.pause),e===this.#s&&this.#h.get(t.id)===t&&this.#m(t)}#m(t){try{this.send({...t.frame(),id:t.id})}catch(e){
this.#h.delete(t.id),t.end(e)}}async#d(t,e,s={}){x(t.type,s,"timeout","signal");const{timeout:i=30,signal:n}=s;if(this.#i)throw this.#i;if(n?.aborted)throw E(n);
const a=Object.assign(k(),{type:t.type,fits:e}),o=++this.#c,w=u=>{this.#o.delete(o)&&t.type==="call"&&this.send({type:"cancel",id:o}),a.reject(u)},l=()=>w(E(n));
n?.addEventListener("abort",l,{once:!0});const f=()=>t.type!=="call"||!this.#o.has(o),m=setTimeout(()=>w(new d("Timeout",`the gateway did not answer within ${i}\
 s`,{retry:f()})),Math.min(i*1e3+2e3,2**31-1));try{return this.#s.promise.then(()=>{a.isDone||(this.#o.set(o,a),this.send({...t,id:o})||a.reject(new d("Disconne\
cted","the connection to the gateway ended",{retry:!0})))}).catch(a.reject),await a.promise}finally{this.#o.delete(o),clearTimeout(m),n?.removeEventListener("ab\
ort",l)}}subscribe(t,e={}){const s=new ot(this,t,e);return e.signal?.aborted?(s.end(E(e.signal)),s):this.#w(s)}async latest(t,e){return new O(await this.#d({type:"\
latest",name:t},({type:s,number:i})=>s==="reply"&&L(i),e))}async names(t="*",e=void 0){return(await this.#d({type:"names",pattern:t},({type:s})=>s==="names",e)).
names}follow(t="*"){return this.#w(new ht(this,t))}async schema(t,e){return(await this.#d({type:"schema",name:t},({type:s,value:i})=>s==="reply"&&j(i),e)).value}async call(t,e=null,s={}){
const i={type:"call",name:t,value:new A(e),timeout:s.timeout??30};return(await this.#d(i,({type:n})=>n==="reply",s)).value}async publisher(t,e={}){return x("pub\
lisher",e,"schema","timeout"),this.#g(new ct(this,t,e.schema),"unpublish",e)}async serve(t,e={}){return x("serve",e,"schema","replySchema","timeout"),this.#g(new ft(
this,t,e),"unserve",e)}async#g(t,e,{timeout:s=30}){this.#w(t);const i=setTimeout(()=>{this.forget(t,{type:e,id:t.id}),t.end(new d("Timeout",`${t.name}: the gate\
way did not open it within ${s} s`,{retry:!0}))},Math.min(s*1e3,2**31-1));try{await t.opened()}finally{clearTimeout(i)}return t}close(){const t=new d("InvalidSt\
ate","the connection was closed by the program");t.isClosed=!0;const e=this.#t;this.#u(t),e&&e.onclose?.({})}}async function wt(r,t={}){const e=new dt(r,t);return await e.
attempt(),e}export{I as Decimal,T as Float,d as LinkspanError,O as Message,M as NdArray,p as Timestamp,z as Uuid,wt as connect,ut as decode,it as encode};
