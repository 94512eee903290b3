/*
 * Add one record to a zone on Kafka, by the rules of README.md "Writing".
 *
 *   java -cp 'FOLDER/*' AddRecord.java BROKERS TOPIC ZONE VERSION ID OWNER TTL TYPE CONTENT [PROPERTY=VALUE]...
 *
 * FOLDER holds kafka-clients and what it needs: `libs` of Kafka's own distribution does. ZONE is absolute and in lower case, OWNER relative to
 * it ("@": the apex), CONTENT as in a zone file, with absolute names. VERSION and ID are those that zones.py prints, or `zonegatectl log ZONE
 * --json`: every gateway applies the change unless OWNER has changed since that version. PROPERTY=VALUE: security.protocol=SSL and the like.
 */
import java.time.Instant;
import java.util.Properties;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.StringSerializer;

public class AddRecord {
	static String quoted(String text) {
		StringBuilder out = new StringBuilder("\"");
		for (char c : text.toCharArray())
			out.append(c == '"' || c == '\\' ? "\\" + c : c < ' ' ? String.format("\\u%04x", (int) c) : "" + c);
		return out.append('"').toString();
	}

	public static void main(String[] a) throws Exception {
		if (a.length < 9) {
			System.err.println("usage: AddRecord BROKERS TOPIC ZONE VERSION ID OWNER TTL TYPE CONTENT [PROPERTY=VALUE]...");
			System.exit(2);
		}
		Properties properties = new Properties();
		properties.put("bootstrap.servers", a[0]);
		properties.put("acks", "all");
		properties.put("enable.idempotence", "true");
		for (int i = 9; i < a.length; i++)
			properties.put(a[i].split("=", 2)[0], a[i].split("=", 2)[1]);
		String op = String.format("{\"op\":\"ADD\",\"record\":%s,\"type\":%s,\"ttl\":%d,\"content\":%s}", quoted(a[5].toLowerCase()), quoted(a[7]),
				Integer.parseInt(a[6]), quoted(a[8]));
		String change = String.format("{\"zone\":%s,\"base\":%d,\"base_id\":%s,\"time\":\"%s\",\"origin\":{\"gateway\":\"AddRecord\"},"
				+ "\"reads\":[],\"ops\":[%s]}", quoted(a[2]), Long.parseLong(a[3]), quoted(a[4]), Instant.now(), op);
		/* The key decides about the partition, by Java's own murmur2. */
		try (var producer = new KafkaProducer<>(properties, new StringSerializer(), new StringSerializer())) {
			RecordMetadata at = producer.send(new ProducerRecord<>(a[1], a[2], change)).get();
			System.out.printf("partition %d offset %d%n", at.partition(), at.offset());
		}
	}
}
