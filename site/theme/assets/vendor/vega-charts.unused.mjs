// Stands in for what Vega imports and the charts never call: measures of maps, TopoJSON, and D3's named colour schemes
// (every scale of ours says its colours).
export const geoArea = null, geoBounds = null, geoCentroid = null, feature = null, mesh = null;
export const schemeAccent = [], schemeCategory10 = [], schemeDark2 = [], schemeObservable10 = [], schemePaired = [];
export const schemePastel1 = [], schemePastel2 = [], schemeSet1 = [], schemeSet2 = [], schemeSet3 = [];
// Names of moments, and tables as text: the charts have numbers on their axes and JSON as data.
export const timeFormat = null, timeParse = null, utcFormat = null, utcParse = null, timeFormatLocale = null;
export const dsvFormat = null;
