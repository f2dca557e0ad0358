export * from "./text";
export * from "./parquet";
export * from "./snappy";
export * from "./duckdb";
export * from "./copy-binary";
export * from "./badtext";
export * from "./copy-write";
export * from "./jsonl";
