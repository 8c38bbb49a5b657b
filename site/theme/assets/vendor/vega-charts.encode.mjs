// Those of Vega's transforms for marks that the charts use, or that Vega's parser adds by itself.
export { default as axisticks } from "./node_modules/vega-encode/src/AxisTicks.js";
export { default as datajoin } from "./node_modules/vega-encode/src/DataJoin.js";
export { default as encode } from "./node_modules/vega-encode/src/Encode.js";
export { default as legendentries } from "./node_modules/vega-encode/src/LegendEntries.js";
export { default as scale } from "./node_modules/vega-encode/src/Scale.js";
export { default as sortitems } from "./node_modules/vega-encode/src/SortItems.js";
