import { Subject } from 'rxjs';
import { closedError } from '../base/errors.js';
import { cApi, type Pointer, TensorFlowError, throwUnlessOk, withStatus } from './c-api.js';
import type { HostTensor } from './data-types.js';
import { addCompiledCall, addCompiledFunction } from './graph-function.js';
import { Graph, type Output, outputArray } from './graph.js';
import { nativeBackend } from './native-backend.js';
import { newBuffer, newHostTensor, pointers, readBuffer, readHostTensor } from './native-memory.js';
import { outOfMemory } from './out-of-memory.js';
import { decodeStepStats, type OnStats, recorderOfNextStep, tracedRunOptions } from './profile.js';
import { encodeMessage } from './protobuf.js';
import { configMessage, preparationOf, type RuntimeOptions } from './runtime-options.js';
import type { WorkerServer } from './worker-server.js';

/** TF_RESOURCE_EXHAUSTED */
const resourceExhausted = 8;

/** A value fed to a placeholder. */
export type Feed = readonly [placeholder: Output, value: HostTensor];

/** Use of a variable. */
export interface VariableUse {
  /**
   * True when products of matrices alone take it, and nothing adds to it: where they compute in bfloat16, the variable
   * keeps no more of what is assigned.
   */
  readonly factor?: boolean | undefined;
  /** True when it is written once, and read only then: products may keep a copy of it. */
  readonly constant?: boolean | undefined;
}

/** A tensor that lives in a session between runs: weights, moments, averages. Float32 to all but products. */
export class SessionVariable {
  constructor(
    readonly name: string,
    readonly shape: readonly number[],
    /** The node that names the variable's memory, as operations that change it want it. */
    readonly handle: Output,
    private readonly graph: Graph,
    /** The type in which its memory holds it. */
    readonly kept: KeptType = 'float32',
    /** True when it is written once. */
    readonly constant = false,
  ) {}

  /** A node that reads the variable as it is kept, after `after` where given. */
  read(after: readonly Pointer[] = []): Output {
    return this.graph.node('ReadVariableOp', [this.handle], { dtype: { type: this.kept } }, { after });
  }

  /** An operation that sets the variable. */
  assign(value: Output, after: readonly Pointer[] = []): Pointer {
    const given = this.graph.cast(value, this.kept);
    return this.graph.add(
      'AssignVariableOp',
      [this.handle, given],
      { dtype: { type: this.kept } },
      { after },
    );
  }
}

/** Notices for users about how programs run. */
export const engineNotices = new Subject<string>();

/** Outputs of a region's operations, and operations of it that run though nothing needs their outputs. */
export interface Written {
  readonly outputs: Readonly<Record<string, Output>>;
  readonly effects?: readonly Pointer[];
}

/** Writes operations into a graph that compute from inputs and variables, by their names there. */
type WriteRegion = (
  graph: Graph,
  inputs: Readonly<Record<string, Output>>,
  variables: Readonly<Record<string, SessionVariable>>,
) => Written;

/**
 * A graph and TensorFlow's session on it. Runs happen on a thread of their own, so that the event loop goes on.
 * Variables keep their values between runs and go with `close`, after which everything throws a UserError `closed`.
 */
export class Session {
  readonly graph: Graph;
  /** True when TensorFlow rewrites the graph, as a whole, before it runs a part of it for the first time. */
  readonly rewritten: boolean;
  private compiling: boolean;
  private fusing: boolean;
  /** True when a GPU computes. */
  readonly onGpu: boolean;
  /** Called for each size of heads whose attention goes to cuDNN, before the first run; throws where it is wrong. */
  checkAttention: ((size: number) => Promise<void>) | undefined;
  /** Sizes of heads that are not checked. */
  private readonly attentionSizes = new Set<number>();
  private readonly pointer: Pointer;
  private readonly running = new Set<Promise<unknown>>();
  private variableCount = 0;
  private collectiveCount = 0;
  private closing: Promise<void> | undefined;

  /** @param server of this worker, where the graph is to hold operations over several */
  constructor(
    readonly options: RuntimeOptions = {},
    readonly server?: WorkerServer,
  ) {
    const c = cApi();
    const place = nativeBackend(options).placeOf(options);
    this.onGpu = place.devices.includes('GPU');
    const preparation = preparationOf(options, { ...place, workers: server !== undefined });
    const { rewritten, mixed, oneDnn, fusesFrom, compiled, converted, fusesAttention } = preparation;
    this.rewritten = rewritten;
    this.compiling = compiled;
    this.fusing = fusesAttention;
    this.graph = new Graph({
      ...{ fusesFrom, fusesBiases: !rewritten, mixed, oneDnn },
      movesWords: !this.onGpu && !compiled && converted === undefined,
    });
    const native = c.NewSessionOptions();
    const config = encodeMessage(
      'ConfigProto',
      server?.config(options, preparation) ?? configMessage(options, preparation),
    );
    if (server !== undefined) c.SetTarget(native, server.target);
    this.pointer = withStatus((status) => {
      c.SetConfig(native, config, config.byteLength, status);
      throwUnlessOk(status);
      return c.NewSession(this.graph.pointer, native, status);
    });
    c.DeleteSessionOptions(native);
  }

  /** True when XLA compiles whole programs. */
  get compiles(): boolean {
    return this.compiling;
  }

  /** True when XLA hands attention to cuDNN. */
  get fusesAttention(): boolean {
    return this.fusing;
  }

  /** Gives up what what is written from now on cannot have. */
  goWithout(what: 'fused attention' | 'XLA'): void {
    if (what === 'XLA') this.compiling = false;
    this.fusing = false;
    this.attentionSizes.clear();
  }

  /** A new variable without a value: `write` it before it is read. */
  variable(
    name: string,
    shape: readonly number[],
    { factor = false, constant = false }: VariableUse = {},
  ): SessionVariable {
    const { graph } = this;
    const kept = factor && graph.mixed ? 'bfloat16' : 'float32';
    const handle = variableHandle(graph, `${name}#${this.variableCount++}`, shape, kept);
    return new SessionVariable(name, shape, handle, graph, kept, constant);
  }

  /**
   * Writes operations: as they are, or, where the session compiles, as one, which XLA compiles as a whole. Then
   * reads of a variable see it as it was before, whatever the operation sets it to.
   */
  region(
    name: string,
    inputs: Readonly<Record<string, Output>>,
    variables: Readonly<Record<string, SessionVariable>>,
    write: WriteRegion,
  ): Required<Written> {
    const { graph } = this;
    if (!this.compiles) return { effects: [], ...write(graph, inputs, variables) };
    const body = new Graph({ mixed: graph.mixed, compiled: true, fusesAttention: this.fusing });
    try {
      const own = Object.entries(inputs).map(([key, input]) => {
        const attributes = {
          dtype: { type: graph.dataTypeOf(input) },
          shape: { shape: graph.shapeOf(input) },
        };
        return [key, body.node('Placeholder', [], attributes)] as const;
      });
      const ownVariables = Object.entries(variables).map(([key, { name, shape, kept }]) => {
        const handle = variableHandle(body, key, shape, kept);
        return [key, new SessionVariable(name, shape, handle, body, kept)] as const;
      });
      const { outputs, effects = [] } = write(
        body,
        Object.fromEntries(own),
        Object.fromEntries(ownVariables),
      );
      for (const size of body.attentionSizes) this.attentionSizes.add(size);
      const results = Object.values(outputs);
      // By its content: what XLA has compiled is found by it in the next process.
      const unique = `${name}_${body.digest(results).slice(0, 16)}`;
      addCompiledFunction(graph, unique, {
        body,
        inputs: [...own.map(([, input]) => input), ...ownVariables.map(([, { handle }]) => handle)],
        outputs: results,
        effects,
      });
      const handles = Object.values(variables).map(({ handle }) => handle);
      const call = addCompiledCall(graph, unique, [...Object.values(inputs), ...handles]);
      const called = Object.keys(outputs).map((key, index) => [key, { operation: call, index }] as const);
      return { outputs: Object.fromEntries(called), effects: [call] };
    } finally {
      body.dispose();
    }
  }

  /** The number by which workers recognise the next collective operation: they make them in the same order. */
  readonly nextCollective = (): number => ++this.collectiveCount;

  /** A run of a program, which `recordSteps` heeds; other runs move variables or prepare. */
  step(...[feeds, fetches, targets]: Parameters<Session['run']>): Promise<HostTensor[]> {
    return this.run(feeds, fetches, targets, recorderOfNextStep());
  }

  /**
   * Runs what `fetches` and `targets` need and returns the fetched values in order.
   * @param onStats where given, the run is traced, which slows it a little, and told the time of every operation
   */
  run(
    feeds: readonly Feed[],
    fetches: readonly Output[],
    targets: readonly Pointer[] = [],
    onStats?: OnStats,
  ): Promise<HostTensor[]> {
    if (this.closing !== undefined) return Promise.reject(closedError('The session'));
    const start = () => this.start(feeds, fetches, targets, onStats);
    const run = onStats === undefined ? start() : afterTraced(start);
    this.running.add(run);
    const settled = () => this.running.delete(run);
    run.then(settled, settled);
    return run;
  }

  /** Waits for runs under way, then frees the session, its variables and its graph. */
  close(): Promise<void> {
    return (this.closing ??= this.free());
  }

  private async free(): Promise<void> {
    await Promise.allSettled(this.running);
    const c = cApi();
    withStatus((status) => {
      c.CloseSession(this.pointer, status);
      throwUnlessOk(status);
      c.DeleteSession(this.pointer, status);
    });
    this.graph.dispose();
  }

  private async start(
    feeds: readonly Feed[],
    fetches: readonly Output[],
    targets: readonly Pointer[],
    onStats: OnStats | undefined,
  ): Promise<HostTensor[]> {
    for (const size of this.attentionSizes) {
      await this.checkAttention?.(size);
      this.attentionSizes.delete(size);
    }
    const c = cApi();
    const status = c.NewStatus();
    const runOptions = onStats && newBuffer(tracedRunOptions());
    const runMetadata = onStats && c.NewBuffer();
    const inputs = feeds.map(([, value]) => newHostTensor(value));
    const results = pointers(new Array<Pointer>(fetches.length).fill(0n));
    // Held by this closure until the native call returns.
    const held = {
      placeholders: outputArray(feeds.map(([placeholder]) => placeholder)),
      values: pointers(inputs),
      fetches: outputArray(fetches),
      targets: pointers(targets),
    };
    try {
      await new Promise<void>((resolve, reject) => {
        c.SessionRun.async(
          this.pointer,
          runOptions ?? null,
          held.placeholders,
          held.values,
          feeds.length,
          held.fetches,
          results,
          fetches.length,
          held.targets,
          targets.length,
          runMetadata ?? null,
          status,
          (failure: Error | null) => {
            if (failure === null) resolve();
            else reject(failure);
          },
        );
      });
      throwUnlessOk(status);
      if (runMetadata !== undefined) onStats!(decodeStepStats(readBuffer(runMetadata)));
      return Array.from(results, readHostTensor);
    } catch (error) {
      throw error instanceof TensorFlowError && error.statusCode === resourceExhausted
        ? outOfMemory(error)
        : error;
    } finally {
      for (const buffer of [runOptions, runMetadata]) if (buffer !== undefined) c.DeleteBuffer(buffer);
      for (const tensor of inputs) c.DeleteTensor(tensor);
      for (const tensor of results) if (tensor !== 0n) c.DeleteTensor(tensor);
      c.DeleteStatus(status);
      held.targets.fill(0n);
    }
  }
}

let traced: Promise<unknown> = Promise.resolve();

/** Starts a traced run after those before it, of any session: TensorFlow traces one at a time in a process. */
function afterTraced<T>(start: () => Promise<T>): Promise<T> {
  const run = traced.then(start);
  traced = run.catch(() => undefined);
  return run;
}

type KeptType = 'float32' | 'bfloat16';

function variableHandle(graph: Graph, name: string, shape: readonly number[], kept: KeptType): Output {
  return graph.node('VarHandleOp', [], {
    dtype: { type: kept },
    shape: { shape },
    shared_name: { string: name },
    container: { string: '' },
  });
}
