import type { Shapes } from '../src/library/shapes.js';

/** See `door-shapes.mjs`. */
export function shapesOf(entry: string): Shapes;
