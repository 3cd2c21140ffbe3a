/** How a value is checked: generated code has it. */
export type Check = { is: string; [more: string]: unknown };

/** Returns the function that reads messages, or their values, of a schema: it throws `LinkspanError` with the path where one does not fit. */
export function reader<T>(fingerprint: string, types: Check[], root: Check): (value: unknown) => T;
