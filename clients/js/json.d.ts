import type { Decoding, Value } from "./client.js";

/** Returns the text of a value in the JSON of Linkspan, from which it comes back as what it was. */
export function stringify(value: Value): string;
/** Returns the value of such a text, or of its bytes in UTF-8. */
export function parse(source: string | Uint8Array | ArrayBuffer, options?: Decoding): any;
