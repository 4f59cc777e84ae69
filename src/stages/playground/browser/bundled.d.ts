// What `tools/bundle-playground.mjs` makes.

/** Registers the methods of tensors that are called. */
declare module 'virtual:methods' {}
/** Registers the kernels of the operations that are used, of every backend. */
declare module 'virtual:kernels' {}
