/* SMART's questions, by the kernel's SG_IO. */
#include <errno.h>
#include <fcntl.h>
#include <scsi/sg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "smart.h"

#define TIMEOUT_MS 5000

/* ATA PASS-THROUGH (16): SAT-3, 12.2.2.3 */
#define PASS_16    0x85
#define CDB_BYTES  16
#define NO_DATA    (3 << 1)
#define PIO_IN     (4 << 1)
#define WANT_REGS  0x20 /* CK_COND */
#define FROM_DISK  0x08 /* T_DIR */
#define IN_SECTORS 0x04 /* BYT_BLOK */
#define BY_COUNT   0x02 /* T_LENGTH */

/* ACS-3 */
#define CHECK_POWER   0xe5
#define SMART         0xb0
#define READ_DATA     0xd0
#define RETURN_STATUS 0xda
#define STANDBY_Z     0x00
#define STANDBY_Y     0x01

struct question {
	uint8_t command, feature;
	void *data; /* SMART_SECTOR bytes; NULL: registers are wanted */
};

static void make_cdb(const struct question *q, uint8_t cdb[CDB_BYTES])
{
	memset(cdb, 0, CDB_BYTES);
	cdb[0] = PASS_16;
	cdb[1] = q->data ? PIO_IN : NO_DATA;
	cdb[2] = q->data ? FROM_DISK | IN_SECTORS | BY_COUNT : WANT_REGS;
	cdb[4] = q->feature;
	cdb[6] = q->data ? 1 : 0;
	cdb[14] = q->command;
	if (q->command == SMART) { /* its key */
		cdb[10] = 0x4f;
		cdb[12] = 0xc2;
	}
}

static enum rc ask(int fd, const struct question *q, struct smart_regs *regs)
{
	uint8_t cdb[CDB_BYTES], sense[64];
	struct sg_io_hdr io = {
		.interface_id = 'S',
		.dxfer_direction = q->data ? SG_DXFER_FROM_DEV : SG_DXFER_NONE,
		.cmd_len = CDB_BYTES,
		.cmdp = cdb,
		.mx_sb_len = sizeof(sense),
		.sbp = sense,
		.dxferp = q->data,
		.dxfer_len = q->data ? SMART_SECTOR : 0,
		.timeout = TIMEOUT_MS,
	};

	make_cdb(q, cdb);
	memset(sense, 0, sizeof(sense));
	if (ioctl(fd, SG_IO, &io) != 0)
		return errno == ENODEV || errno == ENXIO ? RC_GONE
							 : RC_UNSUPPORTED;
	if (io.host_status)
		return RC_UNSUPPORTED;
	if (!q->data)
		return smart_sense(sense, io.sb_len_wr, regs);
	if (io.status || io.resid < 0 || io.resid > 0)
		return RC_UNSUPPORTED;
	return RC_OK;
}

/* RC_OK: it is awake. Many a bridge answers for the disk, or with zeroes, which
 * means asleep: no harm comes of believing that. */
static enum rc check_awake(int fd)
{
	const struct question q = { CHECK_POWER, 0, NULL };
	struct smart_regs r;
	enum rc rc = ask(fd, &q, &r);

	if (rc)
		return rc;
	return r.count == STANDBY_Z || r.count == STANDBY_Y ? RC_BUSY : RC_OK;
}

static enum rc read_all(int fd, struct status_smart *out)
{
	static uint8_t data[SMART_SECTOR];
	const struct question status = { SMART, RETURN_STATUS, NULL };
	const struct question table = { SMART, READ_DATA, data };
	struct smart_regs r;
	bool told = false;
	enum rc rc = ask(fd, &status, &r);

	if (rc == RC_GONE)
		return rc;
	if (!rc)
		told = smart_verdict(&r, &out->failing);
	memset(data, 0, sizeof(data));
	rc = ask(fd, &table, NULL);
	if (rc == RC_GONE)
		return rc;
	if (!rc && smart_attributes(data, out))
		told = true;
	out->told = told;
	return told ? RC_OK : RC_UNSUPPORTED;
}

enum rc smart_read(const char *path, struct status_smart *out)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	enum rc rc;

	status_smart_unknown(out);
	if (fd < 0)
		return RC_GONE;
	rc = check_awake(fd);
	if (!rc)
		rc = read_all(fd, out);
	if (rc)
		status_smart_unknown(out);
	close(fd);
	return rc;
}
