import { type AsyncBuffer, type FileMetaData, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { UserError } from '../../../base/errors.js';
import type { InputFile } from '../../../base/input-file.js';
import { badContainer, type Contents, type ImageContainer, labelType } from '../container.js';

/**
 * Parquet as `datasets` of Hugging Face writes it: a column of images, each its bytes and its path, and one of labels
 * whose names are in the metadata. The labels are read when a file is listed, images a group of rows at a time.
 */
export const container: ImageContainer = {
  name: 'parquet',
  fileName: /\.parquet$/i,
  list: (file, { withoutClasses = false }) => guarded(file, () => list(file, withoutClasses)),
  read: (file, [row]) => guarded(file, () => readImage(file, row!)),
};

async function list(file: InputFile, withoutClasses: boolean): Promise<Contents> {
  const table = await tableOf(file);
  // Without rows there is nothing that tells of columns.
  if (Number(table.metadata.num_rows) === 0) return { images: [] };
  imageColumn(file, table);
  const { name, classes } = withoutClasses ? {} : labelColumn(file, table);
  const count = Number(table.metadata.num_rows);
  const rows = name === undefined ? [] : await readRows(table, name, 0, count);
  const digits = String(Math.max(0, count - 1)).length;
  const images = Array.from({ length: count }, (_, i) => ({
    name: String(i).padStart(digits, '0'),
    at: [i],
    className: name === undefined ? undefined : classOf(file, rows[i]![name], classes, i),
  }));
  const labels = rows.map((row) => row[name!]).filter((label) => label !== null && label !== undefined);
  return { images, classes, labelTypes: new Set(classes === undefined ? labels.map(labelType) : []) };
}

/** Class of an image; undefined for the -1 of images whose class is kept secret. */
function classOf(
  file: InputFile,
  value: unknown,
  classes: readonly string[] | undefined,
  row: number,
): string | undefined {
  const label = Array.isArray(value) && value.length === 1 ? (value[0] as unknown) : value;
  if (label === null || label === undefined || Number.isNaN(label)) return undefined;
  if (typeof label === 'string') return label;
  if (label instanceof Uint8Array) return Buffer.from(label).toString('utf8');
  if (typeof label === 'object')
    throw badContainer(
      file.path,
      `row ${row} has ${Array.isArray(label) ? `${label.length} labels` : 'no single label'}, where one class is expected`,
    );
  const number = Number(label);
  if (number === -1) return undefined;
  if (classes === undefined) return String(number);
  const name = classes[number];
  if (name === undefined)
    throw badContainer(file.path, `row ${row} has the label ${number}, of ${classes.length} classes`);
  return name;
}

async function readImage(file: InputFile, row: number): Promise<Buffer> {
  const table = await tableOf(file);
  const name = imageColumn(file, table);
  let start = 0;
  const group = table.metadata.row_groups.findIndex((each) => {
    const end = start + Number(each.num_rows);
    if (row < end) return true;
    start = end;
    return false;
  });
  if (group < 0) throw badContainer(file.path, `it has no row ${row}`);
  const rows = await table.group(group, async () => {
    const { num_rows: count, total_byte_size: bytes } = table.metadata.row_groups[group]!;
    if (Number(bytes) > mostGroupBytes)
      throw badContainer(
        file.path,
        `its row group ${group} has ${bytes} bytes, more than the ${mostGroupBytes} that are read at once`,
      );
    return readRows(table, name, start, start + Number(count));
  });
  const value = rows[row - start]?.[name] as { bytes?: unknown } | Uint8Array | null | undefined;
  const bytes = value instanceof Uint8Array ? value : value?.bytes;
  if (!(bytes instanceof Uint8Array))
    throw badContainer(file.path, `row ${row} has no image: only its path was written, or nothing`);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const mostGroupBytes = 2 ** 30;
/** Neighbours are asked for at the same time, from the end of one group and the beginning of the next. */
const groupsKept = 2;

type Row = Readonly<Record<string, unknown>>;

/** An open file: what its footer says, and the groups of rows that were read last. */
class Table {
  private readonly groups = new Map<number, Promise<readonly Row[]>>();

  constructor(
    readonly buffer: AsyncBuffer,
    readonly metadata: FileMetaData,
  ) {}

  group(index: number, read: () => Promise<readonly Row[]>): Promise<readonly Row[]> {
    const rows = this.groups.get(index) ?? read();
    this.groups.delete(index);
    this.groups.set(index, rows);
    for (const old of [...this.groups.keys()].slice(0, -groupsKept)) this.groups.delete(old);
    return rows;
  }

  /** Features that `datasets` noted, by column. */
  get features(): Readonly<Record<string, { _type?: string; names?: string[] }>> {
    const text = this.metadata.key_value_metadata?.find(({ key }) => key === 'huggingface')?.value;
    const noted = text === undefined ? {} : (JSON.parse(text) as { info?: { features?: Table['features'] } });
    return noted.info?.features ?? {};
  }

  /** Names of the columns, and of what is in each. */
  get columns(): ReadonlyMap<string, readonly string[]> {
    const columns = new Map<string, string[]>();
    for (const { meta_data: chunk } of this.metadata.row_groups[0]?.columns ?? []) {
      const [name, ...rest] = chunk?.path_in_schema ?? [];
      if (name !== undefined) columns.set(name, [...(columns.get(name) ?? []), ...rest.slice(-1)]);
    }
    return columns;
  }
}

const tables = new WeakMap<InputFile, Promise<Table>>();

function tableOf(file: InputFile): Promise<Table> {
  let table = tables.get(file);
  if (table === undefined) {
    table = openTable(file);
    tables.set(file, table);
  }
  return table;
}

async function openTable(file: InputFile): Promise<Table> {
  const buffer: AsyncBuffer = {
    byteLength: file.bytes,
    slice: async (start, end = file.bytes) => {
      const bytes = new Uint8Array(Math.max(0, Math.min(end, file.bytes) - start));
      await file.read(bytes, start);
      return bytes.buffer;
    },
  };
  const metadata = await parquetMetadataAsync(buffer);
  const rows = metadata.row_groups.reduce((sum, group) => sum + Number(group.num_rows), 0);
  if (Number(metadata.num_rows) !== rows || rows > mostRows)
    throw badContainer(file.path, `its footer announces ${metadata.num_rows} rows, and groups of ${rows}`);
  return new Table(buffer, metadata);
}

/** As many as a file of 1 GiB can have images. */
const mostRows = 2 ** 24;

function readRows(
  { buffer, metadata }: Table,
  column: string,
  rowStart: number,
  rowEnd: number,
): Promise<Row[]> {
  return parquetReadObjects({
    file: buffer,
    metadata,
    columns: [column],
    rowStart,
    rowEnd,
    compressors,
    utf8: false,
  });
}

function imageColumn(file: InputFile, { features, columns }: Table): string {
  const noted = Object.keys(features).filter(
    (name) => features[name]?._type === 'Image' && columns.has(name),
  );
  const found =
    noted.length > 0 ? noted : [...columns.keys()].filter((name) => columns.get(name)!.includes('bytes'));
  const name = found.find((each) => each === 'image') ?? found[0];
  if (name !== undefined && (found.length === 1 || name === 'image')) return name;
  const what =
    found.length === 0 ? 'no column of images' : `several columns of images, and none is named "image"`;
  throw badContainer(file.path, `it has ${what}; its columns are ${[...columns.keys()].join(', ')}`);
}

function labelColumn(file: InputFile, { features, columns }: Table) {
  const known = Object.keys(features).filter(
    (name) => features[name]?._type === 'ClassLabel' && columns.has(name),
  );
  const usual = ['label', 'labels', 'class', 'cls'].filter((name) => columns.has(name));
  const found = known.length > 0 ? known : usual;
  if (found.length > 1 && !found.includes('label'))
    throw new UserError({
      code: 'label-column-ambiguous',
      message: `${file.path}: it has several columns of classes: ${found.join(', ')}.`,
      remedy: `Name the wanted one "label" in the file, with \`datasets\`: data.rename_column('${found[0]!}', 'label').`,
    });
  const name = found.includes('label') ? 'label' : found[0];
  return { name, classes: name === undefined ? undefined : features[name]?.names };
}

/** Whatever the library throws at a damaged file is that file's error. */
async function guarded<T>(file: InputFile, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw badContainer(
      file.path,
      `not a valid parquet file: ${(error as Error).message.replace(/\.$/, '')}`,
      error,
    );
  }
}
