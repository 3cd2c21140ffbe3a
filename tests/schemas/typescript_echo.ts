// Reads CBOR values with the generated code, one hex line each, and writes them back. For an error it writes kind, code
// and text.
import { readFileSync, writeFileSync } from "node:fs";
import { LinkspanError, decode, encode } from "linkspan-client";
import { FINGERPRINT, SCHEMA, type GridEverything, readGridEverything } from "./GridEverything.js";

const answers: string[] = [];
for (const line of readFileSync(process.argv[2]!, "utf8").trim().split("\n")) {
  try {
    const read: GridEverything = readGridEverything(decode(Buffer.from(line, "hex")));
    // The types must equal the schema's types.
    const [flag, tiny, double, word]: [boolean, number, number | undefined, string] = [read.flag, read.tiny, read.double, read.word];
    const [large, x, numbers]: [number | bigint, number, unknown[]] = [read.large, read.start.x, read.numbers];
    void [flag, tiny, double, word, large, x, numbers, SCHEMA, FINGERPRINT];
    answers.push(Buffer.from(encode(read)).toString("hex"));
  } catch (error) {
    if (!(error instanceof LinkspanError)) throw error;
    answers.push(JSON.stringify([error.kind, error.code, error.message]));
  }
}
writeFileSync(process.argv[3]!, answers.join("\n"));
