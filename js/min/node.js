// Made of ../node.js by tests/support/npm.py: read that one.
import{createHash as g,randomBytes as u}from"node:crypto";import{request as w}from"node:http";import{request as p}from"node:https";import{LinkspanError as d}from"./client.js";
const m=1<<30,y="258EAFA5-E914-47DA-95CA-C5AB0DC85B11";class ${readyState=0;binaryType="arraybuffer";onopen=null;onmessage=null;onclose=null;onerror=null;#e;#c;#o=[];#h=0;constructor(e,s){
const t=new URL(e.replace(/^ws/,"http")),n=u(16).toString("base64"),h={connection:"Upgrade",upgrade:"websocket","sec-websocket-version":13,"sec-websocket-key":n,
"sec-websocket-protocol":s},i=(t.protocol==="https:"?p:w)(t,{headers:h,agent:!1});this.#c=i;const r=(a,o)=>this.#t(1006,new d(a,o,{retry:["Disconnected","Full"].
includes(a)}));i.on("error",a=>{const o=t.protocol==="https:";(o?/^EPROTO$|WRONG_VERSION|PACKET_LENGTH|RECORD_LAYER/.test(a.code):/^HPE_/.test(a.code))?r("Inval\
idEndpoint",`${e}: ${o?"no TLS answers there; give ws://":"no HTTP answers there; where the gateway has a certificate, give wss://"}`):r("Disconnected",`connect\
ing to ${e}: ${a.message}`)}),i.on("response",a=>{let o="";a.setEncoding("utf8"),a.on("data",c=>o=(o+c).slice(0,4096)),a.on("error",()=>{}),a.on("close",()=>{let c={};
try{c=JSON.parse(o)}catch{}const f=typeof c?.kind=="string"&&a.statusCode!==429?c.kind:"Disconnected";r(f,`${e} answers ${a.statusCode}: ${c?.detail??"it is no \
gateway"}`)})}),i.on("upgrade",(a,o,c)=>{if(this.#e=o,o.on("error",l=>this.#t(1006,new d("Disconnected",`${e}: ${l.message}`,{retry:!0}))),this.readyState!==0)return o.
destroy();const f=g("sha1").update(n+y).digest("base64");if(a.headers["sec-websocket-accept"]!==f||a.headers["sec-websocket-protocol"]!==s)return r("VersionMism\
atch",`${e} does not speak ${s}`);o.setNoDelay(!0),this.readyState=1,this.onopen?.({}),o.on("data",l=>this.#f(l)),o.on("close",()=>this.#t(1006)),c.length&&this.#f(
c)}),i.end()}#t(e,s,t=""){this.readyState!==3&&(this.readyState=3,this.#c.destroy(),this.#e?.destroy(),queueMicrotask(()=>{s&&this.onerror?.({error:s}),this.onclose?.(
{code:e,reason:t})}))}#i(e){this.#t(1002,new d("Malformed",`the WebSocket of the gateway: ${e}`))}#f(e){if(this.#o.push(e),this.#h+=e.length,this.#h<(this.#s??2))
return;let s=Buffer.concat(this.#o);for(;this.readyState<3;){const t=this.#l(s);if(!t)break;s=s.subarray(t)}this.#o=s.length?[s]:[],this.#h=s.length}#s;#r=[];#n=0;#l(e){
if(this.#s=2,e.length<2)return 0;const[s,t]=e,n=s&15,h=s>>7===1;if(s&112||t&128||![0,1,2,8,9,10].includes(n)||n>7&&(!h||t>125))return void this.#i("a frame that\
 is none")??0;let i=t,r=2;if(t>125){if(r=t===126?4:10,this.#s=r,e.length<r)return 0;i=t===126?e.readUInt16BE(2):Number(e.readBigUInt64BE(2))}return i+this.#n>m?
void this.#i(`a message of ${i+this.#n} bytes is too long`)??0:(this.#s=r+i,e.length<r+i?0:(this.#s=2,this.#d(n,h,e.subarray(r,r+i)),r+i))}#d(e,s,t){if(e===9)this.#a(
10,t);else if(e===8){const n=t.subarray(2).toString();this.#a(8,t.subarray(0,2)),this.#t(t.length>1?t.readUInt16BE(0):1005,void 0,n)}else if(e===1)this.#i("a te\
xt, where frames are in CBOR");else if(e!==10){if(e===0!=this.#r.length>0)return this.#i("a part without its beginning");if(this.#r.push(t),this.#n+=t.length,!s)
return;const n=new Uint8Array(this.#n);let h=0;for(const i of this.#r)n.set(i,h),h+=i.length;this.#r=[],this.#n=0,this.onmessage?.({data:n.buffer})}}#a(e,s){const t=s.
length,n=t<126?Buffer.from([0,t]):Buffer.alloc(t<65536?4:10);n[0]=128|e,t>=65536?(n[1]=127,n.writeBigUInt64BE(BigInt(t),2)):t>125&&(n[1]=126,n.writeUInt16BE(t,2)),
n[1]|=128;const h=u(4),i=Buffer.from(s);for(let r=0;r<t;r++)i[r]^=h[r&3];this.#e?.writableEnded||this.#e?.write(Buffer.concat([n,h,i]))}send(e){this.readyState===
1&&this.#a(2,e)}close(){this.readyState===1&&(this.#a(8,Buffer.from([3,232])),this.#e.end()),this.#t(1e3)}}export{$ as WebSocket};
