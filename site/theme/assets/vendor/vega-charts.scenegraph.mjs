// Vega's scene graph without its canvas: the charts are SVG in a page. What Vega looks up by kind is always the same.
import handler from "./node_modules/vega-scenegraph/src/SVGHandler.js";
import renderer from "./node_modules/vega-scenegraph/src/SVGRenderer.js";

export { default as Bounds } from "./node_modules/vega-scenegraph/src/Bounds.js";
export { default as Gradient } from "./node_modules/vega-scenegraph/src/Gradient.js";
export { default as GroupItem } from "./node_modules/vega-scenegraph/src/GroupItem.js";
export { default as Item } from "./node_modules/vega-scenegraph/src/Item.js";
export { default as Scenegraph } from "./node_modules/vega-scenegraph/src/Scenegraph.js";
export { intersect } from "./node_modules/vega-scenegraph/src/intersect.js";
export { default as Marks } from "./node_modules/vega-scenegraph/src/marks/index.js";
export { default as boundClip } from "./node_modules/vega-scenegraph/src/bound/boundClip.js";
export { default as boundStroke } from "./node_modules/vega-scenegraph/src/bound/boundStroke.js";
export { default as pathParse } from "./node_modules/vega-scenegraph/src/path/parse.js";
export { default as pathRender } from "./node_modules/vega-scenegraph/src/path/render.js";
export { default as point } from "./node_modules/vega-scenegraph/src/util/point.js";
export { multiLineOffset, textMetrics } from "./node_modules/vega-scenegraph/src/util/text.js";
export { handler as CanvasHandler };
export const RenderType = { SVG: "svg" };
export const renderModule = () => ({ handler, renderer });
