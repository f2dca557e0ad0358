import { ThriftWriter } from './thrift.ts';

export const Encoding = { PLAIN: 0, RLE: 3, RLE_DICTIONARY: 8 } as const;

interface Page {
  readonly length: number;
  readonly packed: number;
  readonly values: number;
}

export function dataPageHeader({ length, packed, values, encoding }: Page & { readonly encoding: number }): Uint8Array {
  const thrift = new ThriftWriter();
  return thrift.struct(() => {
    thrift.i32(1, 0);
    thrift.i32(2, length);
    thrift.i32(3, packed);
    thrift.field(5, () => {
      thrift.i32(1, values);
      thrift.i32(2, encoding);
      thrift.i32(3, Encoding.RLE);
      thrift.i32(4, Encoding.RLE);
    });
  }).finish();
}

export function dictionaryPageHeader({ length, packed, values }: Page): Uint8Array {
  const thrift = new ThriftWriter();
  return thrift.struct(() => {
    thrift.i32(1, 2);
    thrift.i32(2, length);
    thrift.i32(3, packed);
    thrift.field(7, () => {
      thrift.i32(1, values);
      thrift.i32(2, Encoding.PLAIN);
    });
  }).finish();
}
