import { describe, expect, it } from 'vitest';
import { expandHostlist } from '../../../src/distributed/cluster/hostlist.js';
import { slurmCluster } from '../../../src/distributed/cluster/slurm.js';

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

  it.each([
    [{ SLURM_STEP_TASKS_PER_NODE: '2(x2)' }, '5 tasks'],
    [{ SLURM_PROCID: undefined }, 'SLURM_PROCID'],
    [{ SLURM_DISTRIBUTION: 'cyclic' }, '--distribution=block'],
  ])('is refused where it contradicts itself: %o', (change, message) => {
    expect(() => slurmCluster({ ...step, ...change })).toThrow(message);
  });
});
