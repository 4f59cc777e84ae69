import { describe, expect, it } from 'vitest';
import { tfConfigCluster } from '../../../src/distributed/cluster.js';

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

  it("keeps a port for control that is no process's own", () => {
    const control = (...worker: string[]) =>
      read({ cluster: { worker }, task: { type: 'worker', index: 0 } })?.control;
    expect(control('localhost:2222', 'localhost:2223', 'b:2224')).toBe('localhost:2224');
    expect(control('a:65534', 'a:65535')).toBe('a:65533');
    expect(control('[::1]:5', '[::1]:7')).toBe('[::1]:6');
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
    ['nulls', '{"cluster":null,"task":null}', 'no "cluster" or no "task"'],
    ['a list', '[1]', 'no "cluster" or no "task"'],
    ['null', 'null', 'no "cluster" or no "task"'],
    ['a text', '"worker"', 'no "cluster" or no "task"'],
    ['lists in it', '{"cluster":[],"task":[]}', 'no "cluster" or no "task"'],
    ['no index', '{"cluster":{"worker":["a:1","b:1"]},"task":{"type":"worker"}}', 'does not have'],
    [
      'an index that is null',
      '{"cluster":{"worker":["a:1","b:1"]},"task":{"type":"worker","index":null}}',
      'does not have',
    ],
    [
      'an index that is an empty text',
      '{"cluster":{"worker":["a:1","b:1"]},"task":{"type":"worker","index":""}}',
      'does not have',
    ],
    [
      'an address twice',
      '{"cluster":{"worker":["a:1","a:1"]},"task":{"type":"worker","index":0}}',
      '"a:1" to two tasks',
    ],
    [
      'an address with a path',
      '{"cluster":{"worker":["a/b:1","b:1"]},"task":{"type":"worker","index":0}}',
      '"a/b:1"',
    ],
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
