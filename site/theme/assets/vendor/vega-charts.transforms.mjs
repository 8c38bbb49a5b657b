// Those of Vega's data transforms that the charts use, or that Vega's parser adds by itself. Named by file: the package
// gives them out only all together.
export { default as aggregate } from "./node_modules/vega-transforms/src/Aggregate.js";
export { default as collect } from "./node_modules/vega-transforms/src/Collect.js";
export { default as compare } from "./node_modules/vega-transforms/src/Compare.js";
export { default as expression } from "./node_modules/vega-transforms/src/Expression.js";
export { default as extent } from "./node_modules/vega-transforms/src/Extent.js";
export { default as facet } from "./node_modules/vega-transforms/src/Facet.js";
export { default as field } from "./node_modules/vega-transforms/src/Field.js";
export { default as filter } from "./node_modules/vega-transforms/src/Filter.js";
export { default as flatten } from "./node_modules/vega-transforms/src/Flatten.js";
export { default as formula } from "./node_modules/vega-transforms/src/Formula.js";
export { default as joinaggregate } from "./node_modules/vega-transforms/src/JoinAggregate.js";
export { default as key } from "./node_modules/vega-transforms/src/Key.js";
export { default as multiextent } from "./node_modules/vega-transforms/src/MultiExtent.js";
export { default as multivalues } from "./node_modules/vega-transforms/src/MultiValues.js";
export { default as params } from "./node_modules/vega-transforms/src/Params.js";
export { default as prefacet } from "./node_modules/vega-transforms/src/PreFacet.js";
export { default as proxy } from "./node_modules/vega-transforms/src/Proxy.js";
export { default as relay } from "./node_modules/vega-transforms/src/Relay.js";
export { default as sieve } from "./node_modules/vega-transforms/src/Sieve.js";
export { default as tupleindex } from "./node_modules/vega-transforms/src/TupleIndex.js";
export { default as values } from "./node_modules/vega-transforms/src/Values.js";
export { default as window } from "./node_modules/vega-transforms/src/Window.js";
