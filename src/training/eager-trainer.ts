import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Parameter } from '../nn/parameter.js';
import type { HostTensor } from '../tensorflow/data-types.js';
import { checkInputs, EagerStore, fromHost, mapValues, tf, tidy } from '../tensorflow/index.js';
import type { EagerSession, EagerVariable, HostTensors, Tensor, Tensors } from '../tensorflow/index.js';
import { type AdamWStep, biasCorrections } from './adamw.js';
import { powerShares } from './averages.js';
import { averageGroups, type StateGroup, stateGroups } from './checkpoint-manifest.js';
import { gradientResults, partsOf, withGradients } from './gradients.js';
import { matricesOfMuon, optimizerStep } from './optimizer.js';
import { averagePrefix, checkStep, groupParameters, inNameOrder, stepOptions } from './trainer.js';
import type { StepResult, Trainer, TrainerOptions, ValueOf } from './trainer.js';

/** Training operation by operation, for backends without sessions: the same numbers as `SessionTrainer`, up to rounding. */
export class EagerTrainer implements Trainer {
  readonly groups: readonly StateGroup[];
  readonly lossScale = undefined;
  private readonly frozen: readonly EagerVariable[];
  private loadsFrozen: Promise<void> | undefined;
  private readonly variables: ReadonlyMap<StateGroup, readonly EagerVariable[]>;

  constructor(
    session: EagerSession,
    private readonly options: TrainerOptions,
  ) {
    this.groups = stateGroups(options.averageDecays, options.heads !== undefined);
    this.frozen = (options.frozen?.parameters ?? []).map(({ name, shape }) => session.variable(name, shape));
    this.variables = new Map(
      this.groups.map((group) => [
        group,
        groupParameters(options, group).map(({ name, shape }) => session.variable(name, shape)),
      ]),
    );
  }

  parametersOf(group: StateGroup): readonly Parameter[] {
    return inNameOrder(groupParameters(this.options, group));
  }

  restoreLossScale(): void {
    // There is none: all is computed in float32.
  }

  async start(weightOf: ValueOf): Promise<void> {
    await this.write('weights', weightOf);
    if (this.options.heads !== undefined) await this.write('heads', weightOf);
    const values = { ...this.tensors('weights'), ...this.heads() };
    for (const group of this.groups.filter((group) => group !== 'weights' && group !== 'heads')) {
      const moments = group.toLowerCase().endsWith('moment');
      for (const variable of this.of(group))
        variable.value = moments ? tf.zeros([...variable.shape]) : values[variable.name]!.clone();
    }
  }

  async step(
    inputs: HostTensors,
    learningRate: number,
    updates: number,
    wishToStop = false,
  ): Promise<StepResult> {
    checkStep(learningRate, updates);
    const options = stepOptions(this.options, inputs);
    checkInputs(inputs, options.inputs);
    const { accumulation, gradientClip } = options;
    const names = options.parameters.map(({ name }) => name);
    const parts = accumulation === undefined ? [inputs] : partsOf(inputs, accumulation);
    this.loadsFrozen ??= this.options.frozen?.load((valueOf) =>
      new EagerStore(this.frozen).write(({ name }) => valueOf(name)),
    );
    await this.loadsFrozen;
    let sum: Tensors | undefined;
    for (const part of parts) {
      await nextTurn();
      sum = added(sum, this.gradientsOf(part, names));
    }
    const { loss, norm, figures, gradients } = tidy(() => {
      const means = mapValues(sum!, (total) => total.div(parts.length));
      const results = gradientResults(means, names);
      const squares = results.gradients.map((gradient) => gradient.square().sum());
      return { ...results, norm: tf.addN(squares).sqrt() };
    });
    tf.dispose(Object.values(sum!));
    const [lossValue, gradientNorm] = [loss.dataSync()[0]!, norm.dataSync()[0]!];
    const applied = Number.isFinite(lossValue) && Number.isFinite(gradientNorm);
    if (applied)
      this.update(
        options.parameters,
        gradients,
        gradientClip === 0 ? 1 : gradientClip / Math.max(gradientNorm, gradientClip),
        { learningRate, updates },
      );
    const result = {
      loss: lossValue,
      gradientNorm,
      applied,
      stop: wishToStop,
      figures: mapValues(figures, (figure) => figure.dataSync()[0]!),
    };
    tf.dispose([loss, norm, ...Object.values(figures), ...gradients]);
    return result;
  }

  async *read(group: StateGroup): AsyncGenerator<readonly [name: string, value: HostTensor]> {
    const variables = new Map(this.of(group).map((variable) => [variable.name, variable]));
    const ordered = this.parametersOf(group).map(({ name }) => variables.get(name)!);
    for await (const [{ name }, value] of new EagerStore(ordered).read()) yield [name, value];
  }

  async write(group: StateGroup, valueOf: ValueOf): Promise<void> {
    await new EagerStore(this.of(group)).write(({ name }) => valueOf(name));
  }

  private of(group: StateGroup): readonly EagerVariable[] {
    const variables = this.variables.get(group);
    if (variables === undefined) throw new Error(`This training keeps no ${group}.`);
    return variables;
  }

  private tensors(group: StateGroup): Tensors {
    return Object.fromEntries(this.of(group).map(({ name, value }) => [name, value]));
  }

  private heads(group: StateGroup = 'heads'): Tensors {
    return this.options.heads === undefined ? {} : this.tensors(group);
  }

  private gradientsOf(part: HostTensors, names: readonly string[]): Tensors {
    const frozen = Object.fromEntries(this.frozen.map(({ name, value }) => [name, value]));
    const averages = this.options.takesAverage === true ? Object.entries(this.tensors('average')) : [];
    const weights = {
      ...frozen,
      ...this.tensors('weights'),
      ...this.heads(),
      ...Object.fromEntries(averages.map(([name, value]) => [averagePrefix + name, value])),
    };
    return tf.tidy(() =>
      withGradients(this.options.loss, names)(mapValues(part, fromHost), weights, undefined),
    );
  }

  private update(
    parameters: readonly Parameter[],
    gradients: readonly Tensor[],
    factor: number,
    { learningRate, updates }: AdamWStep,
  ): void {
    const { optimizer, averageDecays } = this.options;
    const averages = averageGroups(averageDecays);
    const named = parameters.map((parameter) => [parameter.name, parameter] as const);
    const next = tidy(() =>
      optimizerStep(
        optimizer,
        matricesOfMuon(optimizer, named),
        averageDecays,
        {
          weights: { ...this.tensors('weights'), ...this.heads() },
          averages: averages.map((group) => this.tensors(group)),
          firstMoment: { ...this.tensors('firstMoment'), ...this.heads('heads-firstMoment') },
          secondMoment: { ...this.tensors('secondMoment'), ...this.heads('heads-secondMoment') },
        },
        Object.fromEntries(named.map(([name], i) => [name, gradients[i]!.mul(factor)])),
        {
          learningRate,
          corrections: biasCorrections(optimizer, updates),
          shares: powerShares(averageDecays, updates),
        },
      ),
    );
    const set = (group: StateGroup, values: Tensors) => {
      for (const variable of this.of(group)) {
        const value = values[variable.name];
        // What the step did not train is as it was.
        if (value !== undefined) variable.value = value;
      }
    };
    set('weights', next.weights);
    set('firstMoment', next.firstMoment);
    set('secondMoment', next.secondMoment);
    if (this.options.heads !== undefined) {
      set('heads', next.weights);
      set('heads-firstMoment', next.firstMoment);
      set('heads-secondMoment', next.secondMoment);
    }
    for (const [i, group] of averages.entries()) set(group, next.averages[i]!);
  }
}

/** The sum of two records of tensors, which are disposed. */
function added(sum: Tensors | undefined, part: Tensors): Tensors {
  if (sum === undefined) return part;
  const total = mapValues(part, (value, name) => value.add(sum[name]!));
  tf.dispose([...Object.values(sum), ...Object.values(part)]);
  return total;
}
