import type { Renderer } from './renderer.js';

/** One event a line, as JSON. */
export function jsonRenderer(stdout: NodeJS.WritableStream): Renderer {
  return {
    show: (event) => {
      stdout.write(`${JSON.stringify(event)}\n`);
    },
    stopping: () => undefined,
    end: () => undefined,
  };
}
