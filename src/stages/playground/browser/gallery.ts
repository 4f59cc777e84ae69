import { formatPercent } from '../../../base/format.js';
import { largestCost, pathStepsOf, phasedCost } from '../../../sampling/index.js';
import { pathCosts } from '../../sample/switches.js';
import type { Description, DrawRequest, Pixels } from '../description.js';

/** Pictures of fewer pixels are shown with their pixels. */
const smooth = 128;

interface Tile {
  readonly canvas: HTMLCanvasElement;
  readonly path: HTMLElement;
  readonly note: HTMLElement;
}

type Request = Omit<DrawRequest, 'rows'>;

/** Pictures of a drawing, each with its way through steps and phases. */
export class Gallery {
  private tiles: readonly Tile[] = [];
  private spent: number[] = [];
  private readonly costs: ReturnType<typeof pathCosts>;
  private readonly largest: number;
  private readonly steps: number;

  constructor(
    root: HTMLElement,
    private readonly description: Description,
    private readonly request: Request,
  ) {
    const { phases, base, transport } = description;
    const { guidance, sampler } = request;
    const saved = ({ config }: (typeof phases)[number]) => ({ saved: { config, ...transport } });
    this.costs = pathCosts(
      { phases: phases.map(saved), base: base && saved(base) },
      { settings: sampler, acting: guidance.scale === 1 ? undefined : guidance },
    );
    this.largest = largestCost(this.costs.costs);
    this.steps = pathStepsOf(sampler);
    root.style.setProperty('--columns', String(Math.ceil(Math.sqrt(request.size))));
    this.tiles = request.labels.map((label, row) => this.tile(row, description.classes[label]!));
    root.replaceChildren(...this.tiles.map(({ canvas }) => canvas.closest('figure')!));
  }

  /** Shows how far a picture is. `switches`: the steps after which it went on to each next phase, or null. */
  advance(row: number, step: number, switches: readonly (number | null)[]): void {
    const { path, note } = this.tiles[row]!;
    const ends = switches.map((after) => (after === null ? step : Math.min(step, after + 1)));
    const starts = [0, ...ends];
    path.replaceChildren(
      ...starts.map((start, phase) => {
        const segment = document.createElement('span');
        segment.className = `phase-${phase % 6}`;
        segment.style.width = `${(100 * ((ends[phase] ?? step) - start)) / this.steps}%`;
        return segment;
      }),
    );
    this.spent[row] = phasedCost(this.costs.costs, switches, this.costs.predicted);
    const phase = switches.filter((after) => after !== null).length;
    if (switches.length === 0) return;
    const last = switches[phase - 1];
    const { stage } = this.description.phases[phase]!;
    const saves = `saves ${formatPercent(1 - this.spent[row] / this.largest)}`;
    if (typeof last === 'number') note.textContent = `${stage} from step ${last + 2}, ${saves}`;
    else note.textContent = step < this.steps ? `${stage} so far` : `${stage} to the end, ${saves}`;
  }

  show(rows: readonly number[], { side, data }: Pixels, isFinished: boolean): void {
    for (const [i, row] of rows.entries()) {
      const { canvas } = this.tiles[row]!;
      canvas.width = canvas.height = side;
      canvas.classList.toggle('pixels', side < smooth);
      const each = side * side * 4;
      const image = new ImageData(data.slice(i * each, (i + 1) * each), side, side);
      canvas.getContext('2d')!.putImageData(image, 0, 0);
      canvas.closest('figure')!.classList.toggle('finished', isFinished);
    }
  }

  /** Mean multiply-accumulates of a picture, and the share saved against the most costly model alone. */
  get cost(): { readonly each: number; readonly saved: number } {
    const each = this.spent.reduce((sum, cost) => sum + cost, 0) / Math.max(1, this.spent.length);
    return { each, saved: 1 - each / this.largest };
  }

  /** All pictures side by side, as a file. */
  picture(): string {
    const columns = Math.ceil(Math.sqrt(this.tiles.length));
    const [{ canvas: first }] = this.tiles as [Tile];
    const sheet = document.createElement('canvas');
    const scale = Math.max(1, Math.floor(256 / first.width));
    const side = first.width * scale;
    sheet.width = columns * side;
    sheet.height = Math.ceil(this.tiles.length / columns) * side;
    const context = sheet.getContext('2d')!;
    context.imageSmoothingEnabled = false;
    for (const [i, { canvas }] of this.tiles.entries())
      context.drawImage(canvas, (i % columns) * side, Math.floor(i / columns) * side, side, side);
    return sheet.toDataURL('image/png');
  }

  private tile(row: number, name: string): Tile {
    const figure = document.createElement('figure');
    const canvas = document.createElement('canvas');
    const sample = this.request.first + row;
    canvas.setAttribute('role', 'img');
    canvas.setAttribute('aria-label', `Sample ${sample}: ${name}`);
    canvas.width = canvas.height = 8;
    const path = document.createElement('div');
    path.className = 'path';
    const caption = document.createElement('figcaption');
    const label = document.createElement('bdi');
    label.textContent = name;
    const note = document.createElement('small');
    note.textContent = `sample ${sample}`;
    caption.append(label, note);
    figure.append(canvas, path, caption);
    noise(canvas, sample);
    return { canvas, path, note };
  }
}

/** Fills a canvas with grey noise, which stands for what every picture begins with. */
function noise(canvas: HTMLCanvasElement, seed: number): void {
  const { width } = canvas;
  const image = new ImageData(width, width);
  let state = seed + 1;
  for (let i = 0; i < image.data.length; i += 4) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    image.data.set([state >>> 24, state >>> 24, state >>> 24, 70], i);
  }
  canvas.getContext('2d')!.putImageData(image, 0, 0);
}
