// Stands in for packages that Vega imports and the charts never call: measures of maps, TopoJSON, moments and their names,
// timers, tables as text, selections, statistics, easing, D3's named colour schemes (every scale of ours says its colours).
const schemes = ["Accent", "Category10", "Dark2", "Observable10", "Paired", "Pastel1", "Pastel2", "Set1", "Set2", "Set3"];
module.exports = Object.fromEntries(schemes.map((name) => [`scheme${name}`, []]));
