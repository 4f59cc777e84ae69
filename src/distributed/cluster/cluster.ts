import { UserError } from '../../errors.js';
import type { MachinePlace } from '../device-environment.js';

/** Processes on one machine or several that were started to run one pipeline together. */
export interface Cluster {
  /** Number of this process, from 0; process 0 runs the pipeline. */
  readonly rank: number;
  /** `host:port` of every process's TensorFlow server, by rank. */
  readonly addresses: readonly string[];
  /** `host:port` on which process 0 hears the others. */
  readonly control: string;
  /** What described it: `TF_CONFIG` or `Slurm`. */
  readonly source: string;
}

/** The host and the port of an address. */
export function hostAndPort(address: string): { readonly host: string; readonly port: number } {
  const match = /^\[?([^\s/[\]]+)\]?:(\d{1,5})$/.exec(address);
  const port = Number(match?.[2]);
  if (match === null || port < 1 || port > 65_535)
    throw invalidCluster(`"${address}" is not an address of the form host:port`);
  return { host: match[1]!, port };
}

/** Whether all processes are on one machine, and say so. */
export function isOnOneMachine({ addresses }: Cluster): boolean {
  return addresses.every((address) => isLoopback(hostAndPort(address).host));
}

/** This process among those of its machine. */
export function placeOnMachine({ rank, addresses }: Cluster): MachinePlace {
  const hosts = addresses.map((address) => hostAndPort(address).host);
  const isHere = (host: string): boolean => host === hosts[rank];
  return {
    index: hosts.slice(0, rank).filter(isHere).length,
    size: hosts.filter(isHere).length,
    mayBeBound: true,
  };
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host);
}

export function invalidCluster(problem: string): UserError {
  return new UserError({
    code: 'cluster-invalid',
    usage: true,
    message: `The description of the cluster cannot be used: ${problem}.`,
    remedy:
      'Correct TF_CONFIG, or the environment of Slurm; without both the pipeline runs on this machine alone.',
  });
}
