import { describe, expect, it } from 'vitest';
import { expandHostlist, slurmCluster } from '../../../src/distributed/cluster.js';

describe("Slurm's lists of hosts", () => {
  // Expanded by `scontrol show hostnames`.
  it.each([
    ['node1', ['node1']],
    ['node[1-3]', ['node1', 'node2', 'node3']],
    ['node[08-10,12]', ['node08', 'node09', 'node10', 'node12']],
    ['a[1-2],b,c[5]', ['a1', 'a2', 'b', 'c5']],
    ['r[1-2]n[1-2]', ['r1n1', 'r1n2', 'r2n1', 'r2n2']],
    ['node[1-2]-ib', ['node1-ib', 'node2-ib']],
  ])('%s', (list, hosts) => {
    expect(expandHostlist(list)).toEqual(hosts);
  });

  it.each(['', 'node[', 'node[1-]', 'node[3-1]', 'a,,b', 'node[x]'])('refuses "%s"', (list) => {
    expect(() => expandHostlist(list)).toThrow('Slurm');
  });
});

describe("a job step's environment", () => {
  const step = {
    SLURM_STEP_ID: '0',
    SLURM_JOB_ID: '257',
    SLURM_STEP_NODELIST: 'gpu[1-3]',
    SLURM_STEP_NUM_TASKS: '5',
    SLURM_STEP_TASKS_PER_NODE: '2(x2),1',
    SLURM_PROCID: '3',
  };

  it('gives each task its address, block by block', () => {
    expect(slurmCluster(step)).toEqual({
      rank: 3,
      addresses: ['gpu1:16065', 'gpu1:16066', 'gpu2:16065', 'gpu2:16066', 'gpu3:16065'],
      control: 'gpu1:16064',
      source: 'Slurm',
    });
  });

  it('is none in a batch script, in a step of one task, and without Slurm', () => {
    expect(slurmCluster({})).toBeUndefined();
    expect(slurmCluster({ SLURM_JOB_ID: '1', SLURM_PROCID: '0', SLURM_NTASKS: '4' })).toBeUndefined();
    expect(slurmCluster({ ...step, SLURM_STEP_NUM_TASKS: '1' })).toBeUndefined();
  });

  it('is none where variables are empty, as containers may have them, and in the steps that are no srun', () => {
    for (const change of [
      { SLURM_STEP_ID: '' },
      { SLURM_STEP_NODELIST: ' ' },
      { SLURM_STEP_ID: '4294967290' },
      { SLURM_STEP_ID: '4294967291' },
    ])
      expect(slurmCluster({ ...step, ...change })).toBeUndefined();
  });

  it('is none for who types into the shell that a task runs', () => {
    const asked: number[] = [];
    const byHand = (pid: number) => asked.push(pid) > 0;
    expect(slurmCluster({ ...step, SLURM_TASK_PID: '77' }, byHand)).toBeUndefined();
    expect(asked).toEqual([77]);
  });

  it('stays on the machine where that is one', () => {
    const one = { SLURM_STEP_NODELIST: 'gpu1', SLURM_STEP_NUM_TASKS: '2', SLURM_STEP_TASKS_PER_NODE: '2' };
    expect(slurmCluster({ ...step, ...one, SLURM_PROCID: '1' })).toEqual({
      rank: 1,
      addresses: ['127.0.0.1:16065', '127.0.0.1:16066'],
      control: '127.0.0.1:16064',
      source: 'Slurm',
    });
  });

  it('is refused or none, never a defect, whatever its variables hold', () => {
    const values = [
      '',
      ' ',
      '0',
      '-1',
      '7',
      '1e9',
      '99999999999999999999',
      '0x10',
      'null',
      'a[1-65536][1-65536]',
    ];
    values.push('2(x99999999999)', '5(x1)', ',', '[', '1.5', '\u0000');
    for (const name of [...Object.keys(step), 'SLURM_DISTRIBUTION', 'SLURM_TASK_PID'])
      for (const value of values)
        try {
          slurmCluster({ ...step, [name]: value });
        } catch (error) {
          expect(error, `${name}=${value}`).toMatchObject({ code: 'cluster-invalid' });
        }
  });

  it.each([
    [{ SLURM_STEP_TASKS_PER_NODE: '2(x2)' }, '5 tasks'],
    [{ SLURM_PROCID: '7' }, 'SLURM_PROCID is 7, but'],
    [{ SLURM_PROCID: '' }, 'SLURM_PROCID is ""'],
    [{ SLURM_JOB_ID: '' }, 'SLURM_JOB_ID is ""'],
    [{ SLURM_STEP_NUM_TASKS: '0' }, '0 tasks'],
    [{ SLURM_PROCID: undefined }, 'SLURM_PROCID'],
    [{ SLURM_DISTRIBUTION: 'cyclic' }, '--distribution=block'],
  ])('is refused where it contradicts itself: %o', (change, message) => {
    expect(() => slurmCluster({ ...step, ...change })).toThrow(message);
  });
});
