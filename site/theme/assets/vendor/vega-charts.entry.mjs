// What the site's charts use of Vega, bundled into vega-charts.min.js (README.md says how). Left out are the transforms
// for maps, trees, forces, regressions, label placement, Voronoi diagrams, word clouds and cross-filters; of those for
// plain data and for marks, vega-charts.transforms.mjs and vega-charts.encode.mjs have what stays.
import { Transform, transforms } from "vega-dataflow";
import * as encode from "vega-encode";
import { expressionInterpreter } from "vega-interpreter";
import { parse } from "vega-parser";
import * as data from "vega-transforms";
import { View } from "vega-view";
import * as marks from "vega-view-transforms";

Object.assign(transforms, data, encode, marks);

export { Transform, View, expressionInterpreter, parse, transforms };
