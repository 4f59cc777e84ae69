import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { readWhole, readWholeText } from '../../base/files.js';
import { counted, formatCount, formatLarge } from '../../base/format.js';
import { sitCost } from '../../models/sit/cost.js';
import { Html, html } from '../../pages/html.js';
import { headElement, pageStyles, policySource } from '../../pages/page.js';
import type { Description, PlaygroundModel } from './description.js';

const asset = (name: string): string => fileURLToPath(new URL(`assets/${name}`, import.meta.url));

/** Numbers of images that can be drawn together. */
const counts = [1, 4, 9, 16];
const mostSteps = 250;

/**
 * Page that draws, as the parts of a file: what stands before the weights in base64, and after them. It needs no other
 * file and no network, and its content security policy forbids both.
 */
export async function playgroundShell(
  description: Description,
): Promise<readonly [before: string, after: string]> {
  const styles = pageStyles + (await readWholeText(asset('playground.css')));
  const { program, wasm } = await programFiles();
  const { title, pipeline, phases, base, classes } = description;
  const weights = data('weights', 'text/plain', '');
  const page = html`<html lang="en">
    ${headElement(title, securityPolicy(program, styles), styles)}
    <body>
      <a class="skip" href="#pictures">Skip to the pictures</a>
      <header class="page-header">
        <div class="column">
          <p class="kind">Playground of <bdi>${pipeline}</bdi></p>
          <h1>${title}</h1>
          <p class="lead">
            ${leadOf(phases, base)} ${counted(classes.length, 'class', 'classes')}, drawn here, in this page:
            nothing is sent anywhere, and no network is needed.
          </p>
        </div>
      </header>
      <main class="column playground" id="content">
        ${controls(description)}
        <section id="pictures" aria-labelledby="pictures-title" tabindex="-1">
          <h2 id="pictures-title" class="unseen">Pictures</h2>
          <div class="gallery" id="gallery"></div>
          <dl class="totals" id="totals"></dl>
          <details class="as-stage">
            <summary>These pictures as a stage of a pipeline</summary>
            <pre tabindex="0" id="as-stage"></pre>
          </details>
        </section>
      </main>
      ${data('description', 'application/json', JSON.stringify(description).replaceAll('<', '\\u003c'))}
      ${data('wasm', 'text/plain', wasm.toString('base64'))} ${weights}
      ${new Html(`<script>${program}</script>`)}
    </body>
  </html>`;
  const text = `<!doctype html>\n${page.text}\n`;
  const at = text.indexOf(weights.text) + weights.text.length - '</script>'.length;
  return [text.slice(0, at), text.slice(at)];
}

function data(id: string, type: string, text: string): Html {
  return new Html(`<script id="${id}" type="${type}">${text}</script>`);
}

function leadOf(phases: readonly PlaygroundModel[], base: PlaygroundModel | undefined): string {
  const models = [...phases, ...(base ? [base] : [])];
  const parameters = models.reduce((sum, { config }) => sum + sitCost(config).parameters, 0);
  return models.length === 1
    ? `A diffusion transformer of ${formatLarge(parameters)} parameters.`
    : `${formatCount(models.length)} diffusion transformers of ${formatLarge(parameters)} parameters together${phases.length > 1 ? ', which take turns in each picture' : ''}.`;
}

function controls({ classes, start, samplers, guides, phases }: Description): Html {
  const kinds = [...new Set(samplers.map(({ choice }) => choice.kind))];
  return html`<form class="controls" id="controls" aria-label="What to draw">
      <div class="field">
        <label for="class">Class</label>
        <select id="class">
          <option value="each">Each in turn</option>
          ${classes.map((name, label) => html`<option value="${label}">${name}</option>`)}
        </select>
      </div>
      <div class="field">
        <label for="seed">Seed</label>
        <div class="row">
          <input id="seed" type="number" min="0" max="4294967295" step="1" value="${start.seed}" required />
          <button type="button" id="dice" class="plain">New<span class="unseen"> seed</span></button>
        </div>
      </div>
      <div class="go">
        <div class="row">
          <button type="submit" id="draw" disabled>Draw</button>
          <button type="button" id="more" class="plain" disabled>Next ones</button>
          <button type="button" id="save" class="plain" disabled>
            Save<span class="unseen"> as PNG</span>
          </button>
        </div>
        <progress id="progress" max="1" value="0" aria-label="Drawing"></progress>
        <p id="status" role="status">The page is still being loaded.</p>
      </div>
      <noscript><p>This page computes the pictures: it needs scripts.</p></noscript>
    </form>
    <div class="controls settings" role="group" aria-label="Settings">
      ${
        guides &&
        html`<div class="field">
          <label for="guidance">Guidance</label>
          ${slider('guidance', { min: Math.min(1, start.guidance.scale), max: Math.max(8, start.guidance.scale), step: 0.1, value: start.guidance.scale })}
        </div>`
      }
      <div class="field">
        <label for="steps">Steps</label>
        ${slider('steps', { min: fewestSteps(start, phases), max: Math.max(mostSteps, start.sampler.steps), step: 1, value: start.sampler.steps })}
      </div>
      <div class="field">
        <label for="sampler">Sampler</label>
        <select id="sampler">
          ${kinds.map(
            (kind) =>
              html`<optgroup label="${kind === 'sde' ? 'Stochastic' : 'Deterministic'} (${kind})">
                ${samplers.map(({ choice }, i) => choice.kind === kind && html`<option value="${i}" ${isStart(choice, start.sampler.choice) && new Html('selected')}>${choice.method}</option>`)}
              </optgroup>`,
          )}
        </select>
      </div>
      ${phases.length > 1 && phaseControls(phases, start)}
      <div class="pair">
        <div class="field">
          <label for="count">Pictures</label>
          <select id="count">
            ${counts.map((count) => html`<option value="${count}" ${count === 9 && new Html('selected')}>${count}</option>`)}
          </select>
        </div>
        <div class="field">
          <label for="backend">Computes on</label>
          <select id="backend">
            <option value="auto">Best here</option>
          </select>
        </div>
      </div>
    </div>`;
}

/** Fewest steps that a `sample` stage takes: of several models some have to be left to switch in. */
const fewestSteps = ({ switching, sampler }: Description['start'], { length }: readonly unknown[]): number =>
  length === 1 ? 2 : Math.min(sampler.steps, switching.firstSteps + 3);

const isStart = (a: object, b: object): boolean => JSON.stringify(a) === JSON.stringify(b);

/** A slider whose steps lead to `value`, which a browser would otherwise round. */
function slider(
  id: string,
  { min, max, step, value }: Readonly<Record<'min' | 'max' | 'step' | 'value', number>>,
): Html {
  const fits = (each: number) => Math.abs((value - min) / each - Math.round((value - min) / each)) < 1e-6;
  const own = [step, step / 10, step / 100].find(fits) ?? 'any';
  return html`<div class="row">
    <input id="${id}" type="range" min="${min}" max="${max}" step="${own}" value="${value}" />
    <output for="${id}">${value}</output>
  </div>`;
}

function phaseControls(phases: readonly PlaygroundModel[], { switching }: Description['start']): Html {
  return html`<fieldset class="phases">
    <legend>Phases</legend>
    <p class="hint">
      Each picture goes on to the next model once a step moves it less than this share of its first
      ${counted(switching.firstSteps, 'step')}.
    </p>
    ${phases.map(({ stage, config }, i) => {
      const ratio = switching.switchRatios[i];
      const cost = `${formatLarge(sitCost(config).multiplyAccumulates)} multiply-accumulates`;
      return html`<div class="field phase phase-${i % 6}">
        ${ratio === undefined ? html`<span class="name">${stage}</span>` : html`<label for="ratio-${i}">${stage}<span class="unseen">: share below which it ends</span></label>`}
        <small>${mediatorsOf(config.mediators)}, ${cost}</small>
        ${ratio === undefined ? html`<span class="hint">to the end</span>` : slider(`ratio-${i}`, { min: 0.01, max: Math.max(1.5, ratio), step: 0.01, value: ratio })}
      </div>`;
    })}
  </fieldset>`;
}

function mediatorsOf(blocks: readonly number[]): string {
  const [least, most] = [Math.min(...blocks), Math.max(...blocks)];
  if (most === 0) return 'full attention';
  return least === most ? counted(most, 'mediator') : `${least} to ${counted(most, 'mediator')}`;
}

interface ProgramFiles {
  /** The script that computes in the page. */
  readonly program: string;
  /** tfjs's WebAssembly, compressed. */
  readonly wasm: Buffer;
}

/** Files that the build made; among the sources they are made of these as they are now. */
export async function programFiles(): Promise<ProgramFiles> {
  if (existsSync(asset('program.js')))
    return {
      program: await readWholeText(asset('program.js')),
      wasm: await readWhole(asset('tfjs.wasm.gz')),
    };
  const bundler = new URL('../../../tools/bundle-playground.mjs', import.meta.url).href;
  const { bundlePlayground } = (await import(bundler)) as { bundlePlayground: () => Promise<ProgramFiles> };
  return bundlePlayground();
}

/** Security policy: nothing is fetched, this one script runs, in the page and in workers made of it. */
function securityPolicy(program: string, styles: string): string {
  return [
    "default-src 'none'",
    `script-src ${policySource(program)} 'wasm-unsafe-eval'`,
    'worker-src blob:',
    `style-src ${policySource(styles)}`,
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
}
