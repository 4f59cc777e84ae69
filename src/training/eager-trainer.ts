import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Parameter } from '../nn/parameter.js';
import type { HostTensor } from '../tensorflow/data-types.js';
import { checkInputs, EagerStore, fromHost, mapValues, tf, tidy } from '../tensorflow/index.js';
import type { EagerSession, EagerVariable, HostTensors, Tensor, Tensors } from '../tensorflow/index.js';
import { type AdamWStep, adamwStep, biasCorrections } from './adamw.js';
import { averageGroups, type StateGroup, stateGroups } from './checkpoint-manifest.js';
import { gradientResults, partsOf, withGradients } from './gradients.js';
import { checkStep, inNameOrder } from './trainer.js';
import type { StepResult, Trainer, TrainerOptions, ValueOf } from './trainer.js';

/** Training operation by operation, for backends without sessions: the same numbers as `SessionTrainer`, up to rounding. */
export class EagerTrainer implements Trainer {
  readonly groups: readonly StateGroup[];
  readonly lossScale = undefined;
  readonly parameters: readonly Parameter[];
  private readonly names: readonly string[];
  private readonly frozen: readonly EagerVariable[];
  private loadsFrozen: Promise<void> | undefined;
  private readonly variables: ReadonlyMap<StateGroup, readonly EagerVariable[]>;

  constructor(
    session: EagerSession,
    private readonly options: TrainerOptions,
  ) {
    const { parameters, averageDecays } = options;
    this.groups = stateGroups(averageDecays);
    this.names = parameters.map(({ name }) => name);
    this.parameters = inNameOrder(parameters);
    this.frozen = (options.frozen?.parameters ?? []).map(({ name, shape }) => session.variable(name, shape));
    this.variables = new Map(
      this.groups.map((group) => [group, parameters.map(({ name, shape }) => session.variable(name, shape))]),
    );
  }

  restoreLossScale(): void {
    // There is none: all is computed in float32.
  }

  async start(weightOf: ValueOf): Promise<void> {
    await this.write('weights', weightOf);
    const weights = this.of('weights');
    for (const group of this.groups.filter((group) => group !== 'weights')) {
      const moments = group === 'firstMoment' || group === 'secondMoment';
      for (const [i, variable] of this.of(group).entries())
        variable.value = moments ? tf.zeros([...variable.shape]) : weights[i]!.value.clone();
    }
  }

  async step(
    inputs: HostTensors,
    learningRate: number,
    updates: number,
    wishToStop = false,
  ): Promise<StepResult> {
    checkStep(learningRate, updates);
    checkInputs(inputs, this.options.inputs);
    const { accumulation, gradientClip } = this.options;
    const parts = accumulation === undefined ? [inputs] : partsOf(inputs, accumulation);
    this.loadsFrozen ??= this.options.frozen?.load((valueOf) =>
      new EagerStore(this.frozen).write(({ name }) => valueOf(name)),
    );
    await this.loadsFrozen;
    let sum: Tensors | undefined;
    for (const part of parts) {
      await nextTurn();
      sum = added(sum, this.gradientsOf(part));
    }
    const { loss, norm, figures, gradients } = tidy(() => {
      const means = mapValues(sum!, (total) => total.div(parts.length));
      const results = gradientResults(means, this.names);
      const squares = results.gradients.map((gradient) => gradient.square().sum());
      return { ...results, norm: tf.addN(squares).sqrt() };
    });
    tf.dispose(Object.values(sum!));
    const [lossValue, gradientNorm] = [loss.dataSync()[0]!, norm.dataSync()[0]!];
    const applied = Number.isFinite(lossValue) && Number.isFinite(gradientNorm);
    if (applied)
      this.update(gradients, gradientClip === 0 ? 1 : gradientClip / Math.max(gradientNorm, gradientClip), {
        learningRate,
        updates,
      });
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
    const ordered = this.parameters.map(({ name }) => variables.get(name)!);
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

  private gradientsOf(part: HostTensors): Tensors {
    const frozen = Object.fromEntries(this.frozen.map(({ name, value }) => [name, value]));
    const weights = { ...frozen, ...this.tensors('weights') };
    return tf.tidy(() =>
      withGradients(this.options.loss, this.names)(mapValues(part, fromHost), weights, undefined),
    );
  }

  private update(gradients: readonly Tensor[], factor: number, { learningRate, updates }: AdamWStep): void {
    const { optimizer, averageDecays } = this.options;
    const averages = averageGroups(averageDecays);
    const next = tidy(() =>
      adamwStep(
        optimizer,
        averageDecays,
        {
          weights: this.tensors('weights'),
          averages: averages.map((group) => this.tensors(group)),
          firstMoment: this.tensors('firstMoment'),
          secondMoment: this.tensors('secondMoment'),
        },
        Object.fromEntries(this.names.map((name, i) => [name, gradients[i]!.mul(factor)])),
        { learningRate, corrections: biasCorrections(optimizer, updates) },
      ),
    );
    const set = (group: StateGroup, values: Tensors) => {
      for (const variable of this.of(group)) variable.value = values[variable.name]!;
    };
    set('weights', next.weights);
    set('firstMoment', next.firstMoment);
    set('secondMoment', next.secondMoment);
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
