/** See `bundle-playground.mjs`. */
export function bundlePlayground(): Promise<{
  readonly program: string;
  /** Modules of the script, by path. */
  readonly inputs: Readonly<Record<string, { readonly bytesInOutput: number }>>;
  readonly wasm: Buffer;
}>;
