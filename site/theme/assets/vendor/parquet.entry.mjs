// Those parts of hyparquet and fzstd that read a results file: plain columns, compressed with Zstandard.
import { decompress } from "fzstd";
import { parquetMetadata } from "hyparquet/src/metadata.js";
import { parquetReadObjects } from "hyparquet/src/read.js";

const compressors = { ZSTD: (input, length) => decompress(input, new Uint8Array(length)) };

// The rows of a file as objects, and its metadata by key.
export const readParquet = async (buffer, columns) => {
  const metadata = parquetMetadata(buffer);
  const known = new Set(metadata.schema.map(({ name }) => name));
  const present = columns.filter((name) => known.has(name));
  const rows = await parquetReadObjects({ file: buffer, metadata, columns: present, compressors });
  const keys = (metadata.key_value_metadata ?? []).map(({ key, value }) => [key, value]);
  return { rows, metadata: Object.fromEntries(keys) };
};
