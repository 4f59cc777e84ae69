/**
 * Tables whose rows a click on a heading puts in order, ascending and then descending, by the values of its cells; those
 * without one come last. Headings become buttons, so that keys do it too.
 */
export const sortScript = `
function setUpSort(table) {
  const body = table.tBodies[0];
  const headings = [...table.tHead.rows[0].cells];
  const valueOf = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.value ?? cell.textContent.trim();
  };
  const compare = (a, b) => {
    if (a === '' || b === '') return undefined;
    return isNaN(a) || isNaN(b) ? a.localeCompare(b, 'en', { numeric: true }) : a - b;
  };
  for (const [column, heading] of headings.entries()) {
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener('click', () => {
      const direction = heading.ariaSort === 'ascending' ? -1 : 1;
      for (const other of headings) other.removeAttribute('aria-sort');
      heading.setAttribute('aria-sort', direction === 1 ? 'ascending' : 'descending');
      const rows = [...body.rows].sort((a, b) => {
        const [one, other] = [valueOf(a, column), valueOf(b, column)];
        const order = compare(one, other);
        return order === undefined ? (one === '') - (other === '') : direction * order;
      });
      body.append(...rows);
    });
  }
}
`;
