import { decodeImage } from '../../src/data/images/decode.js';
import { NpzFile } from '../../src/formats/npz.js';
import { openModel } from '../../src/weights/open.js';

/** Reads files as the program reads weights, arrays and images, and tells what each led to and what it took. */

async function read(path: string): Promise<void> {
  if (path.endsWith('.png')) {
    await decodeImage(path, '#fff');
  } else if (path.endsWith('.npz')) {
    const npz = await NpzFile.open(path);
    let rows = 0;
    for await (const { shape } of npz.rows(npz.names[0]!, 4)) rows += shape[0]!;
    console.error(`${rows} rows`);
  } else await openModel(path, { weights: 'all' });
}

for (const path of process.argv.slice(2)) {
  const before = process.cpuUsage();
  const code = await read(path).then(
    () => 'nothing',
    (error: unknown) => (error as { code?: string }).code ?? String((error as Error).stack),
  );
  const { user, system } = process.cpuUsage(before);
  const megabytes = process.resourceUsage().maxRSS / 1024;
  console.log(JSON.stringify({ code, seconds: (user + system) / 1e6, megabytes }));
}
