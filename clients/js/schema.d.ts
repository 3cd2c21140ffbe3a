/** A check of a type, in generated code. */
export type Check = { is: string; [more: string]: unknown };

/**
 * Returns a function that reads a schema's messages or their values. It throws `LinkspanError` with the path of a
 * value that does not fit.
 */
export function reader<T>(fingerprint: string, types: Check[], root: Check): (value: unknown) => T;
