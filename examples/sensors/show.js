// What both pages show: the state of the connection, and three numbers.

export const $ = (id) => document.getElementById(id);

export function showState(state, text) {
  const status = $("status");
  status.dataset.state = state;
  if (status.textContent !== text) status.textContent = text; // or it would be read out again
}

export function showNumbers(reading) {
  ["x", "y", "z"].forEach((axis, i) => {
    $(axis).textContent = reading ? reading[i + 1].toFixed(1).replace("-", "−") : "–";
  });
}
