import type { Answer, BackendName, DrawRequest, Order } from '../description.js';
import { serve } from './serve.js';

/** A program that draws: in a worker, or in the page itself where it may start none. */
interface Helper {
  onAnswer: (answer: Answer) => void;
  /** Called where the program does not even start. */
  onAbsent: () => void;
  readonly send: (order: Order) => void;
  readonly close: () => void;
}

const nothing = (): void => undefined;

/** Several programs that share the samples of a drawing. */
export class Pool {
  private constructor(
    readonly backend: BackendName,
    private readonly helpers: readonly Helper[],
  ) {}

  /**
   * @param script text of this very script, of which workers are made
   * @throws Error where the backend does not start
   */
  static async open(order: Order & { type: 'open' }, count: number, script: string): Promise<Pool> {
    const workers = workersOf(script, count);
    const pool = new Pool(order.backend, workers);
    try {
      const started = await Promise.all(workers.map((helper) => opened(helper, order)));
      if (workers.length > 0 && started.every(Boolean)) return pool;
    } catch (error) {
      pool.close();
      throw error;
    }
    pool.close();
    const helper = inPage();
    await opened(helper, order);
    return new Pool(order.backend, [helper]);
  }

  get size(): number {
    return this.helpers.length;
  }

  /**
   * Draws a range of samples. `listener` hears of each program, with the rows that are its own.
   *
   * @throws Error of a program
   */
  draw(
    id: number,
    request: Omit<DrawRequest, 'rows'>,
    listener: (answer: Answer, rows: readonly number[]) => void,
  ): Promise<void> {
    const { helpers } = this;
    const draws = helpers.map((helper, i) => {
      const rows = Array.from({ length: request.size }, (_, row) => row).filter(
        (row) => row % helpers.length === i,
      );
      if (rows.length === 0) return Promise.resolve();
      const labels = rows.map((row) => request.labels[row]!);
      return new Promise<void>((resolve, reject) => {
        helper.onAnswer = (answer) => {
          if (answer.type === 'failed') reject(new Error(answer.message));
          else if (answer.type !== 'ready' && answer.id === id) {
            listener(answer, rows);
            if (answer.type === 'done' || answer.type === 'stopped') resolve();
          }
        };
        helper.send({ type: 'draw', id, request: { ...request, rows, labels } });
      });
    });
    return Promise.all(draws).then(nothing);
  }

  stop(): void {
    for (const { send } of this.helpers) send({ type: 'stop' });
  }

  close(): void {
    for (const { close } of this.helpers) close();
  }
}

/** Waits until a program is ready; false where it did not start at all. */
function opened(helper: Helper, order: Order): Promise<boolean> {
  return new Promise((resolve, reject) => {
    helper.onAbsent = () => {
      resolve(false);
    };
    helper.onAnswer = (answer) => {
      if (answer.type === 'failed') reject(new Error(answer.message));
      else resolve(true);
    };
    helper.send(order);
  });
}

/** As many workers; none where a page may start none. */
function workersOf(script: string, count: number): Helper[] {
  try {
    return Array.from({ length: count }, () => inWorker(script));
  } catch {
    return [];
  }
}

function inWorker(script: string): Helper {
  const url = URL.createObjectURL(new Blob([script], { type: 'text/javascript' }));
  const worker = new Worker(url);
  const helper: Helper = {
    onAnswer: nothing,
    onAbsent: nothing,
    send: (order) => {
      worker.postMessage(order);
    },
    close: () => {
      worker.terminate();
      URL.revokeObjectURL(url);
    },
  };
  worker.onmessage = ({ data }: MessageEvent<Answer>) => {
    helper.onAnswer(data);
  };
  worker.onerror = (event) => {
    event.preventDefault();
    helper.onAbsent();
  };
  return helper;
}

function inPage(): Helper {
  const obey = serve((answer) => {
    helper.onAnswer(answer);
  });
  const helper: Helper = {
    onAnswer: nothing,
    onAbsent: nothing,
    send: (order) => void obey(order),
    close: nothing,
  };
  return helper;
}
