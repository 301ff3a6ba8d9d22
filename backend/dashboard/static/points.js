// Draws points: with WebGL, 100,000 of them in a frame; on a plain canvas where there is none.
const VERTEX = `
attribute vec2 place; attribute vec4 colour;
uniform vec2 scale; uniform vec2 shift; uniform float size;
varying vec4 tint;
void main() { gl_Position = vec4(place * scale + shift, 0.0, 1.0); gl_PointSize = size; tint = colour; }`;
const FRAGMENT = `
precision mediump float; varying vec4 tint;
void main() {
  float far = length(gl_PointCoord - 0.5);
  if (far > 0.5) discard;
  gl_FragColor = vec4(tint.rgb * tint.a, tint.a);
}`;

function program(gl) {
  const made = gl.createProgram();
  for (const [kind, text] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    gl.attachShader(made, shader);
  }
  gl.linkProgram(made);
  return gl.getProgramParameter(made, gl.LINK_STATUS) ? made : null;
}

// places: Float32Array [2n] in [-1, 1]; `paint` takes Uint8Array [4n]; `draw` the view: point p lies at p * scale + shift.
export function plotter(canvas, places) {
  const gl = canvas.getContext("webgl", { antialias: false, premultipliedAlpha: true });
  const shader = gl && program(gl);
  if (shader) return withShader(gl, shader, canvas, places);
  const plain = gl ? canvas.cloneNode() : canvas; // a canvas that was asked for WebGL gives nothing else
  if (plain !== canvas) canvas.replaceWith(plain);
  return onCanvas(plain.getContext("2d"), plain, places);
}

function withShader(gl, shader, canvas, places) {
  const count = places.length / 2;
  const [where, tints] = [gl.createBuffer(), gl.createBuffer()];
  const [place, colour] = ["place", "colour"].map((name) => gl.getAttribLocation(shader, name));
  const [scale, shift, size] = ["scale", "shift", "size"].map((name) => gl.getUniformLocation(shader, name));
  gl.useProgram(shader);
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  gl.bindBuffer(gl.ARRAY_BUFFER, where);
  gl.bufferData(gl.ARRAY_BUFFER, places, gl.STATIC_DRAW);
  gl.enableVertexAttribArray(place);
  gl.vertexAttribPointer(place, 2, gl.FLOAT, false, 0, 0);
  gl.bindBuffer(gl.ARRAY_BUFFER, tints);
  gl.enableVertexAttribArray(colour);
  gl.vertexAttribPointer(colour, 4, gl.UNSIGNED_BYTE, true, 0, 0);
  return {
    kind: "webgl",
    paint(colours) { gl.bufferData(gl.ARRAY_BUFFER, colours, gl.DYNAMIC_DRAW); },
    draw(view, points) {
      gl.viewport(0, 0, canvas.width, canvas.height);
      gl.clearColor(0, 0, 0, 0);
      gl.clear(gl.COLOR_BUFFER_BIT);
      gl.uniform2f(scale, view.scale[0], view.scale[1]);
      gl.uniform2f(shift, view.shift[0], view.shift[1]);
      gl.uniform1f(size, points);
      gl.drawArrays(gl.POINTS, 0, count);
    },
  };
}

function onCanvas(context, canvas, places) {
  const count = places.length / 2;
  let colours = new Uint8Array(4 * count);
  return {
    kind: "canvas",
    paint(given) { colours = given.slice(); },
    draw(view, points) {
      context.clearRect(0, 0, canvas.width, canvas.height);
      for (let at = 0; at < count; at += 1) {
        const x = (places[2 * at] * view.scale[0] + view.shift[0] + 1) / 2 * canvas.width;
        const y = (1 - places[2 * at + 1] * view.scale[1] - view.shift[1]) / 2 * canvas.height;
        if (x < 0 || y < 0 || x > canvas.width || y > canvas.height) continue;
        const [red, green, blue, alpha] = colours.subarray(4 * at, 4 * at + 4);
        context.fillStyle = `rgba(${red},${green},${blue},${alpha / 255})`;
        context.fillRect(x - points / 2, y - points / 2, points, points);
      }
    },
  };
}
