import type { Answer, Order } from '../description.js';
import { startBackend } from './backends.js';
import { Painter } from './painter.js';

/** A program that draws for a page, in a worker or beside the page itself. */
export function serve(tell: (answer: Answer) => void): (order: Order) => Promise<void> {
  let painter: Painter | undefined;
  let stopping = new AbortController();
  const obey = async (order: Order): Promise<void> => {
    if (order.type === 'stop') {
      stopping.abort();
      return;
    }
    if (order.type === 'open') {
      await startBackend(order.backend, order.wasm);
      painter = new Painter(order.description, order.weights);
      tell({ type: 'ready' });
      return;
    }
    stopping = new AbortController();
    const { signal } = stopping;
    try {
      await painter!.draw(order.id, order.request, tell, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
      tell({ type: 'stopped', id: order.id });
    }
  };
  return (order) =>
    obey(order).catch((error: unknown) => {
      tell({ type: 'failed', message: error instanceof Error ? error.message : String(error) });
    });
}
