import { execa } from 'execa';
import { expect, it } from 'vitest';
import { nodeProgram } from '../../support/programs.js';

it('crops large images, and decodes and crops JPEG files, on other threads, to the same bytes', async () => {
  const program = nodeProgram(new URL('crop-program.ts', import.meta.url));
  expect(program, 'programs are compiled before the tests').toHaveLength(1);
  const { stdout, stderr } = await execa(process.execPath, program);
  expect(stderr.split('\n')).toEqual(['before', 'meanwhile', 'after']);
  expect(JSON.parse(stdout)).toEqual({
    equal: [true, true, true],
    threadsOfSmall: 0,
    hasThreads: true,
    equalJpegs: new Array(12).fill(true),
    refused: true,
    readDespite: [true, true, true],
  });
});
