import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';

/** Messages as lines of JSON over a connection. */
export class MessageLines<Out, In> {
  /** Resolves when the connection has ended, for whatever reason. */
  readonly closed: Promise<void>;

  constructor(
    private readonly socket: Socket,
    listener: (message: In) => void,
  ) {
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 5_000);
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        resolve();
      });
    });
    // What is wrong shows as the end of the connection.
    socket.on('error', () => undefined);
    createInterface({ input: socket, crlfDelay: Infinity })
      .on('error', () => undefined)
      .on('line', (line) => {
        let message: In;
        try {
          message = JSON.parse(line) as In;
        } catch {
          socket.destroy();
          return;
        }
        listener(message);
      });
  }

  get remoteAddress(): string {
    return this.socket.remoteAddress ?? 'an unknown address';
  }

  send(message: Out): void {
    if (this.socket.writable) this.socket.write(`${JSON.stringify(message)}\n`);
  }

  /** Ends the connection once what was sent has left. */
  end(): void {
    this.socket.end();
  }

  destroy(): void {
    this.socket.destroy();
  }
}
