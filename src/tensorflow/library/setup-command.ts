import { sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const installed = fileURLToPath(import.meta.url).includes(`${sep}node_modules${sep}`);

/** What fetches the native library: in a clone of this project, or where it is installed as a package. */
export const setupCommand = installed ? 'npx pipeline-setup' : 'npm run setup';

/** The same with an option. */
export const setupWith = (option: string): string => `${setupCommand}${installed ? '' : ' --'} ${option}`;
