/** One picture at a time, with a slider over the steps; without it all are there side by side. */
export const slidesScript = `
function setUpSlides(slides) {
  const control = slides.querySelector('.slide-control');
  const input = control.querySelector('input');
  const output = control.querySelector('output');
  const figures = [...slides.querySelectorAll('figure')];
  slides.classList.add('one-at-a-time');
  slides.querySelector('.slide-strip').removeAttribute('tabindex');
  control.hidden = false;
  input.addEventListener('input', () => {
    figures.forEach((figure, i) => figure.classList.toggle('current', i === Number(input.value)));
    const step = figures[Number(input.value)].dataset.step;
    output.textContent = step;
    input.setAttribute('aria-valuetext', 'step ' + step);
  });
}
`;
