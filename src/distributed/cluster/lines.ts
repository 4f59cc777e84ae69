import type { Socket } from 'node:net';

/** More than any message has. What sends more without an end of line is none of ours. */
const longestLine = 16 * 2 ** 20;

/** Messages as lines of JSON over a connection. It ends where something else comes. */
export class MessageLines<Out, In> {
  /** Resolves when the connection has ended, for whatever reason. */
  readonly closed: Promise<void>;

  /** @param read gives the message that a value is; undefined where it is none */
  constructor(
    private readonly socket: Socket,
    read: (value: unknown) => In | undefined,
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
    let rest = '';
    socket.setEncoding('utf8').on('data', (text: string) => {
      const lines = text.split('\n');
      lines[0] = rest + lines[0]!;
      rest = lines.pop()!;
      if (rest.length > longestLine) this.destroy();
      for (const line of lines) {
        if (socket.destroyed) return;
        const message = read(parsed(line));
        if (message === undefined) this.destroy();
        else listener(message);
      }
    });
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

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
