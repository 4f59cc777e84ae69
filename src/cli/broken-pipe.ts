/**
 * Ends the process when nobody reads its output any more, such as `head` that has had enough. A process that another one
 * started over a channel goes on: it is interrupted when the other one dies, and saves what it must.
 */
export function endWhenUnread(streams: readonly NodeJS.WriteStream[]): void {
  const hasParent = process.connected;
  for (const stream of streams)
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      if (!hasParent) process.exit(0);
    });
}
