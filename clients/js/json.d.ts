import type { Decoding, Value } from "./client.js";

/** Returns a value as JSON text, which `parse` reads back. */
export function stringify(value: Value): string;
/** Parses a value from JSON text or its UTF-8 bytes. */
export function parse(source: string | Uint8Array | ArrayBuffer, options?: Decoding): any;
