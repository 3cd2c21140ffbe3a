// Made of ../node.js by tests/support/npm.py: read that one.
import{createHash as m,randomBytes as g}from"node:crypto";import{request as w}from"node:http";import{request as p}from"node:https";import{LinkspanError as d}from"./client.js";
const B="258EAFA5-E914-47DA-95CA-C5AB0DC85B11";class b{readyState=0;binaryType="arraybuffer";onopen=null;onmessage=null;onclose=null;onerror=null;#t;#c;#e;#s=Buffer.
alloc(0);#i=0;#n=2;#o=[];#h=0;constructor(t,s,e){this.#e=e;const i=new URL(t.replace(/^ws/,"http")),h=g(16).toString("base64"),a={connection:"Upgrade",upgrade:"\
websocket","sec-websocket-version":13,"sec-websocket-key":h,"sec-websocket-protocol":s},n=(i.protocol==="https:"?p:w)(i,{headers:a,agent:!1});this.#c=n;const c=(r,o)=>this.#r(
1006,new d(r,o,{retry:["Disconnected","Full"].includes(r)}));n.on("error",r=>{const o=i.protocol==="https:";(o?/^EPROTO$|WRONG_VERSION|PACKET_LENGTH|RECORD_LAYER/.
test(r.code):/^HPE_/.test(r.code))?c("InvalidEndpoint",`${t}: ${o?"no TLS answers there; give ws://":"no HTTP answers there; where the gateway has a certificate\
, give wss://"}`):c("Disconnected",`connecting to ${t}: ${r.message}`)}),n.on("response",r=>{let o="";r.setEncoding("utf8"),r.on("data",f=>o=(o+f).slice(0,4096)),
r.on("error",()=>{}),r.on("close",()=>{let f={};try{f=JSON.parse(o)}catch{}const l=typeof f?.kind=="string"&&r.statusCode!==429?f.kind:"Disconnected";c(l,`${t} \
answers ${r.statusCode}: ${f?.detail??"it is no gateway"}`)})}),n.on("upgrade",(r,o,f)=>{if(this.#t=o,o.on("error",u=>this.#r(1006,new d("Disconnected",`${t}: ${u.
message}`,{retry:!0}))),this.readyState!==0)return o.destroy();const l=m("sha1").update(h+B).digest("base64");if(r.headers["sec-websocket-accept"]!==l||r.headers["\
sec-websocket-protocol"]!==s)return c("VersionMismatch",`${t} does not speak ${s}`);o.setNoDelay(!0),this.readyState=1,this.onopen?.({}),o.on("data",u=>this.#l(
u)),o.on("close",()=>this.#r(1006)),f.length&&this.#l(f)}),n.end()}#r(t,s,e=""){this.readyState!==3&&(this.readyState=3,this.#c.destroy(),this.#t?.destroy(),queueMicrotask(
()=>{s&&this.onerror?.({error:s}),this.onclose?.({code:t,reason:e})}))}#a(t,s="Malformed"){this.#r(1002,new d(s,`the WebSocket of the gateway: ${t}`))}#l(t){if(this.#i){
const s=this.#i+t.length;if(s>this.#s.length){const e=Buffer.allocUnsafeSlow(Math.max(s,Math.min(this.#n,2*s)));this.#s.copy(e,0,0,this.#i),this.#s=e}if(t.copy(
this.#s,this.#i),this.#i=s,s<this.#n)return;t=this.#s.subarray(0,s)}for(;this.readyState<3;){const s=this.#u(t);if(!s)break;t=t.subarray(s)}this.#s=t.length?Buffer.
from(t):Buffer.alloc(0),this.#i=t.length}#u(t){if(this.#n=2,t.length<2)return 0;const[s,e]=t,i=s&15,h=s>>7===1;if(s&112||e&128||![0,1,2,8,9,10].includes(i)||i>7&&
(!h||e>125))return void this.#a("a frame that is none")??0;let a=e,n=2;if(e>125){if(n=e===126?4:10,this.#n=n,t.length<n)return 0;a=e===126?t.readUInt16BE(2):Number(
t.readBigUInt64BE(2))}return a+this.#h>this.#e.longest?void this.#a(`a message of ${a+this.#h} bytes is too long`,"TooLarge")??0:(this.#n=n+a,t.length<n+a?0:(this.#n=
2,this.#d(i,h,t.subarray(n,n+a)),n+a))}#d(t,s,e){if(t===9)this.#f(10,e),this.#t.writableLength>2*this.#e.longest+this.#e.unread&&this.#a("it sends pings and rea\
ds no answers");else if(t===8){const i=e.subarray(2).toString();this.#f(8,e.subarray(0,2)),this.#r(e.length>1?e.readUInt16BE(0):1005,void 0,i)}else if(t===1)this.#a(
"a text, where frames are in CBOR");else if(t!==10){if(t===0!=this.#o.length>0)return this.#a("a part without its beginning");if(this.#o.length>=this.#e.fragments)
return this.#a(`a message of more than ${this.#e.fragments} pieces`);if(this.#o.push(s?e:Buffer.from(e)),this.#h+=e.length,!s)return;const i=new Uint8Array(this.#h);
let h=0;for(const a of this.#o)i.set(a,h),h+=a.length;this.#o=[],this.#h=0,this.onmessage?.({data:i.buffer})}}#f(t,s){const e=s.length,i=e<126?Buffer.from([0,e]):
Buffer.alloc(e<65536?4:10);i[0]=128|t,e>=65536?(i[1]=127,i.writeBigUInt64BE(BigInt(e),2)):e>125&&(i[1]=126,i.writeUInt16BE(e,2)),i[1]|=128;const h=g(4),a=Buffer.
from(s);for(let n=0;n<e;n++)a[n]^=h[n&3];this.#t?.writableEnded||this.#t?.write(Buffer.concat([i,h,a]))}send(t){this.readyState===1&&this.#f(2,t)}close(){this.readyState===
1&&(this.#f(8,Buffer.from([3,232])),this.#t.end()),this.#r(1e3)}}export{b as WebSocket};
