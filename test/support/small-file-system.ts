import { execFileSync } from 'node:child_process';

/** Mounts a file system of so many KiB in memory at an existing folder. Says why where that is not allowed. */
export function mountSmall(folder: string, kib: number): string | undefined {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${kib}k`, 'tmpfs', folder], { stdio: 'pipe' });
    return undefined;
  } catch (error) {
    return `No file system can be mounted here: ${String((error as { stderr?: Buffer }).stderr ?? error).trim()}`;
  }
}

export function unmount(folder: string): void {
  execFileSync('umount', [folder]);
}
