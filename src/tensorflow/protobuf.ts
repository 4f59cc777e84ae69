import protobuf from 'protobufjs/light.js';
import { configMessage } from './runtime-options.js';

/** The parts of TensorFlow's protocol messages that we read or write, with its field numbers. */
const root = protobuf.Root.fromJSON({
  nested: {
    // tensorflow/core/framework/op_def.proto
    OpDef: {
      fields: { name: { type: 'string', id: 1 }, inputArg: { rule: 'repeated', type: 'ArgDef', id: 2 } },
      nested: {
        ArgDef: {
          fields: {
            name: { type: 'string', id: 1 },
            typeAttr: { type: 'string', id: 4 },
            numberAttr: { type: 'string', id: 5 },
            typeListAttr: { type: 'string', id: 6 },
          },
        },
      },
    },
    // tensorflow/core/protobuf/config.proto
    ConfigProto: {
      fields: {
        intraOpParallelismThreads: { type: 'int32', id: 2 },
        gpuOptions: { type: 'GpuOptions', id: 6 },
        allowSoftPlacement: { type: 'bool', id: 7 },
        graphOptions: { type: 'GraphOptions', id: 10 },
        deviceCount: { rule: 'repeated', type: 'DeviceCount', id: 1 },
        deviceFilters: { rule: 'repeated', type: 'string', id: 4 },
        experimental: { type: 'Experimental', id: 16 },
      },
      nested: {
        Experimental: { fields: { collectiveGroupLeader: { type: 'string', id: 1 } } },
        // A map<string, int32>, which is written as repeated entries.
        DeviceCount: { fields: { key: { type: 'string', id: 1 }, value: { type: 'int32', id: 2 } } },
        GpuOptions: {
          fields: {
            allowGrowth: { type: 'bool', id: 4 },
            experimental: { type: 'GpuExperimental', id: 9 },
          },
        },
        GpuExperimental: { fields: { internalFragmentationFraction: { type: 'double', id: 10 } } },
        GraphOptions: {
          fields: {
            placePrunedGraph: { type: 'bool', id: 6 },
            rewriteOptions: { type: 'RewriterConfig', id: 10 },
          },
        },
        // tensorflow/core/protobuf/rewriter_config.proto
        RewriterConfig: {
          fields: {
            memoryOptimization: { type: 'int32', id: 4 },
            metaOptimizerIterations: { type: 'int32', id: 12 },
            remapping: { type: 'int32', id: 14 },
            autoMixedPrecision: { type: 'int32', id: 23 },
            autoMixedPrecisionOnednnBfloat16: { type: 'int32', id: 31 },
            disableTfgOptimizer: { type: 'bool', id: 32 },
          },
        },
      },
    },
    // tensorflow/core/protobuf/cluster.proto, tensorflow_server.proto
    ServerDef: {
      fields: {
        cluster: { type: 'ClusterDef', id: 1 },
        jobName: { type: 'string', id: 2 },
        taskIndex: { type: 'int32', id: 3 },
        defaultSessionConfig: { type: 'ConfigProto', id: 4 },
        protocol: { type: 'string', id: 5 },
      },
      nested: {
        ClusterDef: { fields: { job: { rule: 'repeated', type: 'JobDef', id: 1 } } },
        JobDef: {
          fields: {
            name: { type: 'string', id: 1 },
            tasks: { rule: 'repeated', type: 'Task', id: 2 },
          },
        },
        // A map<int32, string>.
        Task: { fields: { key: { type: 'int32', id: 1 }, value: { type: 'string', id: 2 } } },
      },
    },
    RunOptions: { fields: { traceLevel: { type: 'int32', id: 1 } } },
    RunMetadata: { fields: { stepStats: { type: 'StepStats', id: 1 } } },
    // tensorflow/core/framework/step_stats.proto
    StepStats: { fields: { devStats: { rule: 'repeated', type: 'DeviceStepStats', id: 1 } } },
    DeviceStepStats: {
      fields: {
        device: { type: 'string', id: 1 },
        nodeStats: { rule: 'repeated', type: 'NodeExecStats', id: 2 },
      },
    },
    NodeExecStats: {
      fields: {
        nodeName: { type: 'string', id: 1 },
        timelineLabel: { type: 'string', id: 8 },
        threadId: { type: 'uint32', id: 10 },
        allStartNanos: { type: 'int64', id: 13 },
        opStartRelNanos: { type: 'int64', id: 14 },
        opEndRelNanos: { type: 'int64', id: 15 },
      },
    },
  },
});

/** An input of an operation's definition: one tensor, or a list whose length or types an attribute gives. */
export interface InputDefinition {
  readonly name: string;
  readonly typeAttr: string;
  readonly numberAttr: string;
  readonly typeListAttr: string;
}

/** Reads the inputs out of a serialized `OpDef`. */
export function decodeInputs(opDef: Uint8Array): InputDefinition[] {
  const type = root.lookupType('OpDef');
  return (
    type.toObject(type.decode(opDef), { defaults: true, arrays: true }) as { inputArg: InputDefinition[] }
  ).inputArg;
}

/** Serializes a message given with the field names above. */
export function encodeMessage(
  name: 'ConfigProto' | 'RunOptions' | 'ServerDef',
  message: Readonly<Record<string, unknown>>,
): Uint8Array {
  const type = root.lookupType(name);
  const problem = type.verify(message);
  if (problem !== null) throw new TypeError(`${name}: ${problem}`);
  // A copy that the garbage collector never moves: native code reads it.
  return Uint8Array.from(type.encode(message).finish());
}

interface RunMetadata {
  readonly stepStats: {
    readonly devStats: readonly {
      readonly device: string;
      readonly nodeStats: readonly {
        readonly nodeName: string;
        readonly timelineLabel: string;
        readonly threadId: number;
        readonly allStartNanos: number;
        readonly opStartRelNanos: number;
        readonly opEndRelNanos: number;
      }[];
    }[];
  };
}

/** Reads the times out of a serialized `RunMetadata`. Nanoseconds since the epoch lose their last two digits. */
export function decodeRunMetadata(bytes: Uint8Array): RunMetadata {
  const type = root.lookupType('RunMetadata');
  return type.toObject(type.decode(bytes), { defaults: true, arrays: true, longs: Number }) as RunMetadata;
}

/** The serialized `ConfigProto` for options. */
export function configProto(...args: Parameters<typeof configMessage>): Uint8Array {
  return encodeMessage('ConfigProto', configMessage(...args));
}
