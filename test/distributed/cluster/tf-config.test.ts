import { describe, expect, it } from 'vitest';
import { tfConfigCluster } from '../../../src/distributed/cluster/tf-config.js';

const read = (config: unknown) => tfConfigCluster({ TF_CONFIG: JSON.stringify(config) });
const addresses = ['a.pool.svc:2222', 'b.pool.svc:2222', 'c.pool.svc:2222'];

describe('TF_CONFIG', () => {
  it('numbers the chief first, then the workers', () => {
    const cluster = { worker: addresses.slice(1), chief: addresses.slice(0, 1) };
    expect(read({ cluster, task: { type: 'chief', index: 0 } })).toEqual({
      rank: 0,
      addresses,
      control: 'a.pool.svc:2223',
      source: 'TF_CONFIG',
    });
    expect(read({ cluster, task: { type: 'worker', index: 1 } })?.rank).toBe(2);
  });

  it('takes workers alone, and the index as text, as some tools write it', () => {
    expect(read({ cluster: { worker: addresses }, task: { type: 'worker', index: '1' } })?.rank).toBe(1);
  });

  it('means nothing where it is not set, empty, or describes one process', () => {
    expect(tfConfigCluster({})).toBeUndefined();
    expect(tfConfigCluster({ TF_CONFIG: ' ' })).toBeUndefined();
    expect(read({ cluster: { worker: ['a:1'] }, task: { type: 'worker', index: 0 } })).toBeUndefined();
  });

  it.each([
    ['not JSON', '{', 'TF_CONFIG is not JSON'],
    ['no cluster', '{"task":{}}', 'no "cluster" or no "task"'],
    ['parameter servers', '{"cluster":{"ps":["a:1"]},"task":{"type":"ps","index":0}}', 'type "ps"'],
    [
      'a task that is not there',
      '{"cluster":{"worker":["a:1","b:1"]},"task":{"type":"worker","index":2}}',
      'does not have',
    ],
    [
      'an address without a port',
      '{"cluster":{"worker":["a","b:1"]},"task":{"type":"worker","index":0}}',
      '"a" is not an address',
    ],
    [
      'tasks that are no list',
      '{"cluster":{"worker":"a:1"},"task":{"type":"worker","index":0}}',
      'not lists',
    ],
  ])('is refused: %s', (_, text, message) => {
    expect(() => tfConfigCluster({ TF_CONFIG: text })).toThrow(message);
  });
});
